"""Confidence: how far a recommendation can be trusted, given that its scores are noisy."""
