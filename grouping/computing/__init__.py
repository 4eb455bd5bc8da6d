"""Processes that compute for this one, each for one call, with limits; they can be ended at any time."""
