"""Marketing's pages: segments, cut-offs, target lists, on the champion or on generated users.

`job.dashboard` starts it; `app` and `pages` are what Streamlit runs, `views/` holds one file a page, the rest what
pages share.
"""
