"""Methods of sharing: one per file."""
