"""Engines that train many networks at once; see ``docs/explanation/training.md``."""

from grouping.domain.trainings.engines import Engine
from grouping.training.engines.comparison import compare_engines
from grouping.training.engines.independence import stacking_of
from grouping.training.engines.keeper import Keeper
from grouping.training.engines.planning import EngineShare, divide
from grouping.training.engines.training import train_networks

__all__ = ["Engine", "EngineShare", "Keeper", "compare_engines", "divide", "stacking_of", "train_networks"]
