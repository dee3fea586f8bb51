"""The value of policies from logged arrays: estimates, intervals, bands, choices and contests.

Takes numpy arrays and gives estimates with intervals: `value` (a policy's value and uplift), `surface` (all pairs of
cut-offs and their simultaneous band), `choice` (cut-offs chosen on one part, valued on another), `contest` (all pairs
of policies), `ranking` (AUTOC, Qini), `estimators` (DM, IPW, DR and their diagnostics). Needs numpy and scipy only;
knows no users, models or files.
"""
