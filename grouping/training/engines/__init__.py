"""Engines that train many networks at once; see ``docs/training.md``."""

from grouping.training.engines.keeper import Keeper
from grouping.training.engines.planning import Engine, Share, divide
from grouping.training.engines.training import train_networks

__all__ = ["Engine", "Keeper", "Share", "divide", "train_networks"]
