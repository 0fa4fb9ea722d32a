"""From metrics on disk to the paper's tables and figures, the published figures beside ours."""
