"""Training of one network by itself, for every recipe: the reference for the other engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from grouping.domain.affinities.joint_runs import JointAffinities
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.training.data import TrainingData
from grouping.training.engines.engine_run import EngineRun
from grouping.training.evaluation import Evaluation
from grouping.training.loop import Training
from grouping.training.states import module_weights


class SingleTraining(EngineRun):
    """Run of one member, trained by `Training`."""

    def __init__(
        self,
        data: TrainingData,
        request: TrialRequest,
        recipe: Recipe,
        state: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Start anew or from a state.

        Raises:
            GroupingError: if the request cannot be trained on the data, or the state is another's.
        """
        self.requests = (request,)
        self._training = Training(data, request, recipe)
        if state is not None:
            self._training.load_state_dict(state)
        self.n_epochs, self.epoch = self._training.n_epochs, self._training.epoch
        self.prepared = self._training.prepared

    def prepare_epoch(self) -> bool:
        """Carry out an epoch of the preparation of the network."""
        is_preparing = self._training.prepare_epoch()
        self.prepared = self._training.prepared
        return is_preparing

    def run_epoch(self) -> list[float]:
        """Carry out one epoch of the training."""
        loss = self._training.run_epoch()
        self.epoch, self.prepared = self._training.epoch, self._training.prepared
        return [loss]

    def has_stopped(self, member: int) -> bool:
        """Return whether the training has ended early."""
        return self._training.has_stopped

    def evaluate(self, member: int) -> Evaluation:
        """Evaluate the one member."""
        return self._training.evaluate()

    def forward(self, member: int) -> Callable[[Tensor], Sequence[Tensor]]:
        """Return the network of the one member, which is not trained any further then."""
        return self._training.best_network()

    def weights(self, member: int) -> dict[str, Tensor]:
        """Return the weights of the one member."""
        return module_weights(self._training.best_network())

    def state_dict(self, member: int) -> dict[str, Tensor]:
        """Return the state of the one member."""
        return self._training.state_dict()

    def affinities(self, member: int) -> JointAffinities | None:
        """Return affinities: from gradients if requested, from masks if the network has them."""
        return self._training.affinities()
