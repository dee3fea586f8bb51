"""Generated users whose truth is known: what each would do under each action. One file and one YAML each."""
