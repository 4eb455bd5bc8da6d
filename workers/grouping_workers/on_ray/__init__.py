"""The Ray driver and its actors, which carry out the dispatcher's orders."""
