"""The command line: words in, a verb's job called, its result shown, an exit code out.

`main.main` is the command `tippingpoint`, `launch` composes and launches (once, or under -m once for each
combination), `sweep` gathers what a sweep filed, `doctor` and `ui` are the two verbs that concern no users. Nothing
imports this folder.
"""
