"""The trainings of a job: what it states itself goes over what its trainer says. The one place for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grouping.domain.networks import Network
from grouping.domain.trainings.allowance import Prices
from grouping.domain.trainings.resources import Resources

if TYPE_CHECKING:
    from grouping.trainers.trainer import Trainer


class Trainings:
    """Length, resources, deadline and attempts of the trainings of a job.

    Args:
        trainer: the trainer of the job, which knows what the job states (`TrainerJob.stated`).
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._stated = trainer.job.stated

    def epochs_of(self, n_tasks: int, fidelity: float) -> int:
        """Return the epochs of a training of a fidelity, as they count in a training budget."""
        stated = self._stated.epochs_at(fidelity)
        return self._trainer.epochs_of(n_tasks, fidelity) if stated is None else stated

    @property
    def prices(self) -> Prices:
        """Costs of the trainings, as they count in a training budget."""
        return Prices(self.epochs_of, epochs_of_recipe=self._trainer.epochs_of_recipe)

    def resources(self, network: Network, usual: Resources | None = None) -> Resources | None:
        """Return what a training of a network holds.

        Args:
            network: what is trained.
            usual: what is held where neither job nor trainer says it.

        Returns:
            The resources; None where nobody says it and there is no `usual`.
        """
        said = self._trainer.resources(network)
        known = usual if said is None else said
        stated = self._stated.resources_for(network)
        return known if stated.is_empty else stated.over(known or Resources())

    def deadline_s(self, network: Network, fidelity: float) -> float | None:
        """Return the seconds after which a training is ended and has failed; None for no end."""
        stated = self._stated.deadline_s
        return self._trainer.deadline_s(network, fidelity) if stated is None else stated

    @property
    def max_attempts(self) -> int:
        """Failures after which a training is given up that asks for another attempt."""
        return self._stated.max_attempts or self._trainer.max_attempts
