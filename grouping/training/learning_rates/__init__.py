"""Learning-rate schedules: how the learning rate changes during a training; one file each."""

from grouping.training.learning_rates.learning_rate import LearningRateSchedule

__all__ = ["LearningRateSchedule"]
