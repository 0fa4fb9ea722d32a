"""What a study is: its settings, and what the rules look up in them. Loads nothing heavy."""
