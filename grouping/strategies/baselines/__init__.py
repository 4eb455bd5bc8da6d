"""Baseline strategies without a model: everything, only singles, all together, random networks."""
