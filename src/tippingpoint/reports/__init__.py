"""How things are shown, whatever they are: terminal, HTML, PNG, palette, progress.

What a verb says of its own result is in that verb's `report`; here is what they share. No verb is imported.
"""
