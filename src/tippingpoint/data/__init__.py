"""Users: where they come from, what a table may hold, and its sides.

`users.Users` is the one table a job works on, `contract` what it must hold, `validation` where every table is
checked, `files`, `database`, `events` and `generators` are its sources, `splits` gives each user a side. All
conversions between pandas and Polars happen here. No models, no MLflow.
"""
