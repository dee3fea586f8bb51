"""The value of policies from logged arrays: estimates, intervals, bands, choices and contests.

Takes numpy arrays and gives estimates with intervals: `evidence` (outcomes under each action), `value` (a policy's
value and uplift), `surface` (all pairs of cut-offs and their simultaneous band), `choice` (cut-offs chosen on one part,
valued on another), `best_cuts` (cut-offs of largest uplift within a budget), `frontier` (what more spend buys),
`contest` (all pairs of policies), `ranking` (AUTOC, Qini), `estimators` (DM, IPW, DR and their diagnostics),
`statistics` (estimates and their intervals), `confidence_sequence` (intervals that hold at every look), `cells` and
`sufficient_statistics` (what any price needs). Needs numpy and scipy only; knows no users, models or files.
"""
