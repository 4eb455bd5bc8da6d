"""Searches that need no model: everything, nothing but singles or all together, and random networks."""
