"""What is asked and what was found, shared by the verbs: users, policy, prices, evidence, candidates.

`spec.ExperimentSpec` is one question about one table of users, built by `build` from settings; `evidence` finds what
is known of each user under each action, `candidate` fits and values one family, `collect` makes the one pass over
users whose sums answer every price and cut-off, `revaluation` prices them anew, `resume` finds what was answered
before. Verbs import it; it imports no verb.
"""
