"""Policies: rules from score and features to a segment, each segment with one action. No policy touches a model.

`policy.Policy` is what a policy must answer; one file and one YAML each. `lint` finds gaps, overlaps and segments
nobody reaches.
"""
