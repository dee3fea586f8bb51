"""Users: where they come from, what a table may hold, and its sides.

`users.Users` is the one table a job works on, `source.Source` what every source answers; `files`, `database`,
`events` and `generators` are the sources, `frame` takes tables that are in memory, `decisions` reads decisions.
`csv_layout` finds how a CSV is written, `identity` what an id is, `outcome` which values count as 1, `days` makes
features of times.
`contract` is what a table must hold, `inference` writes one from a table, `column_rules` are its rules, `validation`
checks every table; `column_roles` says which columns are features, `profile` describes them, `number_format` reads
numbers as people write them. `splits` gives each user a side, `writing` writes tables. All conversions between pandas
and Polars happen here. No models, no MLflow.
"""
