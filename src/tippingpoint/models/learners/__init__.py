"""Effect learners: one file and one YAML each; what an action adds to the chance of the outcome, by user.

`learner.Learner` is what a learner must answer; `nuisances` holds what the learners of one family share and is fitted
once. A fitted learner is one scikit-learn pipeline that loads without this package; `effects` says how its output is
read.
"""
