"""LAW & ORDER: the library behind the workflow's rules and scripts."""
