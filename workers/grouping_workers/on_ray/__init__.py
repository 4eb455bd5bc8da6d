"""The Ray driver and its actors: what the dispatcher's orders are carried out by."""
