"""What must be right before a study's hours are spent: a finding per check, with the remedy."""
