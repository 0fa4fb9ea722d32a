"""What all steps share: command line, whole outputs, resumable state, provenance, processes."""
