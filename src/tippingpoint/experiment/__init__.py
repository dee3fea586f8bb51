"""What is asked and what was found, shared by the verbs: users, policy, prices, evidence, candidates.

`spec.ExperimentSpec` is one question about one table of users, built by `build` from settings; `evidence` finds what
is known of each user under each action, `fitting` fits one family, `answer` measures and values it as a `candidate`,
`judged` is what test says of it and of baselines alike, `record` files it. `valuation` binds policies to scores and
values what they decide, `fitted` is a fitted model that needs no store. `collect` makes the one pass over users whose
sums answer every price and cut-off (`collected_evidence`, `collected_tables`), `revaluation` prices them anew,
`thresholds` holds one model under every choice of cut-offs, `simulation_result` all that one simulation finds.
`diagnostics` has the registry of what may be amiss, `findings` what is of a candidate, `assumption` says in words what
is assumed. `resume` finds what was answered before; `report`, `evaluation_figures` and `explanation_figures` show a
candidate. Verbs import it; it imports no verb.
"""
