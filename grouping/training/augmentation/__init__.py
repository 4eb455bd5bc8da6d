"""Augmentations: how rows are changed before a gradient step sees them; one file each."""

from grouping.training.augmentation.augmentation import Augmentation

__all__ = ["Augmentation"]
