"""Test contracts for plug-ins: inherit one in your own test suite (needs pytest).

from grouping.testing import TrainerContract

class TestMyTrainer(TrainerContract):
    trainer = MyTrainer

The contracts of losses and metrics need PyTorch; they are in `grouping.testing.losses` and
`grouping.testing.metrics`.
"""

from grouping.testing.strategies import StrategyContract
from grouping.testing.trainers import PlannedTrainerContract, TrainerContract

__all__ = ["PlannedTrainerContract", "StrategyContract", "TrainerContract"]
