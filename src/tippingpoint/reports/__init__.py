"""How things are shown, whatever they are: terminal, HTML, PNG, palette, progress.

`result` is the base of what every verb returns, `console` prints tables and links, `progress` the bar; `html` and
`markdown` render templates, `png` and `figures` write PNG files, `plot` shows a figure in a notebook, `user_figures`
and `cut_off_map` draw with plotly.js. `estimates` writes an estimate with its interval, `palette` holds the colours,
`web_server` the addresses pages are served on. What a verb says of its own result is in that verb's folder.
No verb is imported.
"""
