"""The Python API: the verbs as functions of objects, for notebooks and scripts.

`users` reads or generates tables of users, `verbs` holds `compare`, `tune`, `simulate`, `score` and `measure`,
`components` turns names and objects into what the verbs' settings hold. As the command line does with words, this
folder only translates: what is done is done by the verbs' jobs. Its names are those of the package, imported as `tp`.
"""
