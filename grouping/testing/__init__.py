"""Contracts of what others add, as tests to be run on it: inherit one in your own test suite (needs pytest).

from grouping.testing import TrainerContract

class TestMyTrainer(TrainerContract):
    trainer = MyTrainer

Those of losses and metrics need PyTorch; they are `grouping.testing.losses` and `grouping.testing.metrics`.
"""

from grouping.testing.strategies import StrategyContract
from grouping.testing.trainers import TrainerContract

__all__ = ["StrategyContract", "TrainerContract"]
