"""What can be asked of each verb, and how `conf/`, own folders and typed words become it.

`compose.compose` makes a config out of YAML and words (Hydra is imported only then); `settings` holds what the verbs
share, and each verb's folder has its own `settings`; `gate_settings` the checks that a gate's YAML may name;
`old_spellings` keeps keys of earlier releases working. Nothing here reads users or fits anything.
"""
