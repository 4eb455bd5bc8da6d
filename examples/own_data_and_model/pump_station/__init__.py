"""An example of one's own data and model: readings of pumps, and an encoder with shortcuts."""
