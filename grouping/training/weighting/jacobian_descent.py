"""Methods of the package TorchJD (Quinton and Rey, Jacobian descent, arXiv 2406.16232, 2024).

None is implemented again here. Inputs and outputs of the package are adapted to this project:

- Methods that only look at inner products get the Gramian divided by its mean diagonal. Their weights then
  do not depend on how large all gradients are; some of the package's solvers take small ones for zero.
- Methods that average gradients are multiplied by the number of tasks, and those whose length has no
  meaning (``nash-mtl``, ``fairgrad``) are scaled to weights of mean 1. So all of them take the step of
  equal weights where the tasks agree.
- ``upgrad`` and ``dualproj`` project onto the dual cone with SciPy's non-negative least squares, which is
  there anyway, instead of quadprog, which is under the GPL.
- State (``gradvac``) is a buffer. ``nash-mtl`` starts every step from equal weights, so that
  it need not remember anything; its solver then takes a few more iterations.
- Everything is drawn on the CPU, from the generator that the training seeds.

``cagrad`` and ``nash-mtl`` need solvers that are not installed with this project: the extras ``cagrad`` and
``nash-mtl``, cvxpy and what it brings, about 200 MB (and, for the latter, ecos, which is under the GPL).

Not here: MGDA, uncertainty and dynamic weight average have files of their own. FAMO needs the losses after
the step, MoDo and SDMGrad gradients of two batches, PCD has one primary task, Krum and the trimmed mean are
about faulty workers, and ExcessMTL would keep a sum of squares of every gradient in each saved state.
Impartial loss balance (IMTL-L) and the geometric mean are uncertainty and inverse current loss by other
names.

Cost: a backward pass per task through the shared parameters, but for ``random``, which costs nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor
from torchjd import aggregation
from torchjd.linalg import DualConeProjector

from grouping.errors import TrainingError
from grouping.recipes import gradient_weighting as declared
from grouping.training.weighting.gradients import GradientWeighting, GramianWeighting, square_root
from grouping.training.weighting.weighting import Step, Weighting, WeightingContext, with_mean_one


class LeastSquaresProjector(DualConeProjector):
    """Projects onto the dual cone of the gradients: ``min v' G v`` over ``v >= u`` for each ``u``.

    With ``G = A' A`` and ``v = u + s``, that is ``min |A s + A u|`` over ``s >= 0``. It needs no
    regularisation: linearly dependent gradients do no harm.
    """

    def __call__(self, U: Tensor, G: Tensor) -> Tensor:  # noqa: N803 - names of the base class
        """Compute weights ``v``, of the shape of the ``[..., T]`` given ones."""
        root = square_root(G)
        wanted = U.numpy().reshape(-1, len(root))
        found = [u + nnls(root, -root @ u, maxiter=100 * len(root))[0] for u in wanted]
        return torch.from_numpy(np.stack(found)).view_as(U)


_SUMMING: Mapping[str, Callable[[Any], aggregation.Weighting[Any]]] = {
    "pcgrad": lambda _: aggregation.PCGradWeighting(),
    "gradvac": lambda p: aggregation.GradVacWeighting(beta=p.beta),
}
_AVERAGING: Mapping[str, Callable[[Any], aggregation.Weighting[Any]]] = {
    "cagrad": lambda p: aggregation.CAGradWeighting(c=p.c, norm_eps=1e-12),
    "upgrad": lambda _: aggregation.UPGradWeighting(projector=LeastSquaresProjector()),
    "dualproj": lambda _: aggregation.DualProjWeighting(projector=LeastSquaresProjector()),
    "aligned-mtl": lambda p: aggregation.AlignedMTLWeighting(scale_mode=p.scale_mode),
    "imtl-g": lambda _: aggregation.IMTLGWeighting(),
}
_ROWS: Mapping[str, Callable[[Any], aggregation.Aggregator]] = {
    "config": lambda _: aggregation.ConFIG(),
    "graddrop": lambda _: aggregation.GradDrop(),
}


class GramianDescent(GramianWeighting):
    """Methods that weight the gradients by their inner products alone: PCGrad, CAGrad, UPGrad and others."""

    def __init__(self, context: WeightingContext, parameters: declared.GramianMethod) -> None:
        super().__init__(context)
        makers = _SUMMING if parameters.name in _SUMMING else _AVERAGING
        self._factor = 1.0 if makers is _SUMMING else float(self.n_tasks)
        if isinstance(parameters, declared.CaGrad):
            self._factor /= 1.0 + parameters.c  # what it adds to the mean has c times its length
        # In a tuple it is no submodule, and stays on the CPU.
        self._weighting = (_made(parameters, lambda: makers[parameters.name](parameters)),)

    def coefficients(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """Compute the package's weights, scaled to a sum of gradients."""
        weights: Tensor = self._weighting[0](gramian)
        return self._factor * weights


class GradVacDescent(GramianDescent):
    """Gradient vaccine: raises cosines of gradients to their moving averages.

    Attributes:
        similarity: target cosine of each pair of gradients, a moving average, ``[T, T]``.
    """

    similarity: Tensor

    def __init__(self, context: WeightingContext, parameters: declared.GradVac) -> None:
        super().__init__(context, parameters)
        # Gradients at right angles leave the averages at zero, and the package with something to load into.
        self._weighting[0](torch.eye(self.n_tasks, dtype=torch.float64))
        self.register_buffer("similarity", torch.zeros(self.n_tasks, self.n_tasks, dtype=torch.float64))

    def coefficients(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """Compute the package's weights, with the buffer as its state."""
        (weighting,) = self._weighting
        (name,) = weighting.state_dict()
        weighting.load_state_dict({name: self.similarity.cpu()})
        weights = super().coefficients(gramian, losses)
        self.similarity.copy_(weighting.state_dict()[name])
        return weights


class NashMtlDescent(GramianWeighting):
    """Nash bargaining of the tasks' gradients (Nash-MTL): ``G a = 1 / a``."""

    def __init__(self, context: WeightingContext, parameters: declared.NashMtl) -> None:
        super().__init__(context)
        n_iterations = parameters.iterations
        self._nash = (
            _made(parameters, lambda: aggregation.NashMTL(self.n_tasks, 0.0, optim_niter=n_iterations)),
        )

    def coefficients(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """Compute weights with mean 1; equal ones where the solver finds none."""
        weighting = self._nash[0].weighting
        weighting.prvs_alpha = np.ones(self.n_tasks, dtype=np.float32)
        # cvxpy warns of what is known: of its speed, of digits where gradients are of very unlike lengths,
        # and of a division where one of them is zero.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", UserWarning)
            weights: Tensor = weighting(torch.from_numpy(square_root(gramian).T))
        is_usable = bool(weights.isfinite().all()) and float(weights.sum()) > 0
        return with_mean_one(weights) if is_usable else torch.ones_like(weights)


class FairGradDescent(GramianWeighting):
    """Alpha-fair weights (FairGrad): ``G w = w ** (-1 / alpha)``."""

    def __init__(self, context: WeightingContext, parameters: declared.FairGrad) -> None:
        super().__init__(context)
        self._weighting = (aggregation.FairGradWeighting(alpha=parameters.alpha),)

    def coefficients(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """Compute weights with mean 1."""
        weights: Tensor = self._weighting[0](gramian)
        return with_mean_one(weights)


class RowDescent(GradientWeighting):
    """Methods that look at every entry of the gradients: ConFIG and gradient sign dropout."""

    def __init__(self, context: WeightingContext, parameters: declared.RowMethod) -> None:
        super().__init__(context)
        self._aggregator = (_ROWS[parameters.name](parameters),)

    def combine(self, gradients: Tensor, losses: Tensor) -> Tensor:
        """Compute the package's gradient, in float64 on the CPU."""
        combined: Tensor = self._aggregator[0](gradients.double().cpu())
        return combined.to(gradients)


class RandomWeighting(Weighting):
    """Random loss weighting: weights drawn anew in every step."""

    def __init__(self, context: WeightingContext, parameters: declared.Random) -> None:
        super().__init__(context)
        self._weighting = (aggregation.RandomWeighting(),)

    def weights(self, step: Step) -> Tensor:
        """Compute the softmax of normal numbers, times the number of tasks."""
        drawn: Tensor = self._weighting[0](torch.zeros(self.n_tasks, 1))
        return self.n_tasks * drawn.to(step.losses.device)


def _made(parameters: declared.GramianMethod, maker: Callable[[], Any]) -> Any:
    try:
        return maker()
    except ImportError as error:
        raise TrainingError(
            f"The weighting {parameters.name!r} needs a solver that is not installed here: install "
            f"mtl-grouping[{parameters.name}] where the workers run, or choose another weighting."
        ) from error
