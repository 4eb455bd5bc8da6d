"""Affinities: which task helps which, or how alike they are, and how each method measures it."""
