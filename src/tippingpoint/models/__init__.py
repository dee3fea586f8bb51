"""Model families: one file and one YAML each, pipelines of scikit-learn parts that load without this package.

`family.Family` is what a family must answer, `calibration` makes its scores probabilities, `space` is what may be
searched. A model never sees the action, the truth, an id, a time or a measure.
"""
