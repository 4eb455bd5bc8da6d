"""Encoder from any PyTorch module, for plug-ins.

A plug-in is a distribution with an entry point in the group ``mtl_grouping.encoders`` (a recipe that comes
over HTTP cannot name code: only what is installed can be chosen). Its value is a declaration, in a module
that does not import PyTorch; the declaration names a subclass of `ModuleEncoder`::

    @dataclass(frozen=True, slots=True)
    class Waves:
        name: ClassVar[str] = "waves"
        title: ClassVar[str] = "Waves"
        description: ClassVar[str] = "Sines of linear maps."
        source: ClassVar[str] = ""
        implementation: ClassVar[str] = "my_package.network:WavesEncoder"
        frequency: float = 1.0

    class WavesEncoder(ModuleEncoder):
        def module(self, index: int, n_in: int, width: int) -> nn.Module:
            return MyLayer(n_in, width, self.parameters.frequency)

A network of one piece is an encoder of one stage, with one hidden width: that of its features. Texts with an
attention mask: see `grouping.training.encoders.token_module`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from grouping.domain.tasks import Task
from grouping.errors import GroupingError, InvalidInputError, TrainingError
from grouping.training.blueprint import Blueprint, Encoder
from grouping.training.counting import StatedCost

_ROWS = 2
_TRIAL = Task.multiclass("trial", 3)


@dataclass(frozen=True)
class ModuleEncoder(Encoder):
    """Base of encoders of plug-ins: tries the modules out before anything is trained, and adds heads.

    Costs are counted on PyTorch's ``meta`` device, where tensors have a shape and no values. A module that
    cannot run there, since it looks at values, is counted on a row of `trial_rows`; where PyTorch cannot
    count what it does, it states its cost (`multiply_adds`). Modules should treat every row by itself, as
    normalisation over a batch does not.

    Attributes:
        parameters: the declaration of the plug-in.
        variants: hidden widths that the network comes in, narrowest first, such as the sizes of a pretrained
            one; a network of a size is the widest one that costs at most that. Empty for any widths.
    """

    variants: ClassVar[Sequence[tuple[int, ...]]] = ()

    parameters: Any

    def __post_init__(self) -> None:
        try:
            hash(self.parameters)
        except TypeError as error:
            raise TrainingError(
                f"The parameters of {type(self).__name__} cannot be hashed ({error}): declare them as "
                "a frozen dataclass, with tuples in place of lists."
            ) from error

    @abstractmethod
    def module(self, index: int, n_in: int, width: int) -> nn.Module:
        """Build the stage at `index`: from ``[rows, n_in]`` (the inputs, for the first) to `width` channels.

        Channels are the last dimension of its output, or the second one where there are four dimensions.
        """

    def load_weights(self, module: nn.Module, index: int, width: int) -> None:
        """Fill a stage that `module` built with pretrained weights; called wherever it is trained."""

    def multiply_adds(self, index: int, n_in: int, width: int) -> int | None:
        """State the multiply-adds of a stage for one row; None to have them counted."""
        return None

    def stage(self, index: int, n_in: int, width: int) -> nn.Module:
        """Return the module of the plug-in, with its pretrained weights."""
        module = self.module(index, n_in, width)
        if torch.get_default_device().type != "meta":
            self._load(module, index, width)
        stated = self.multiply_adds(index, n_in, width)
        return module if stated is None else StatedCost(module, stated)

    def _load(self, module: nn.Module, index: int, width: int) -> None:
        try:
            self.load_weights(module, index, width)
        except GroupingError:
            raise
        except Exception as error:
            raise TrainingError(
                f"The pretrained weights of stage {index} of {type(self).__name__}, width {width}, cannot be "
                f"loaded here: {type(error).__name__}: {error}"
            ) from error

    def head(self, task: Task, width: int) -> nn.Module:
        """Build a linear layer on the mean of the features over positions; may be overridden."""
        linear = nn.Linear(width, task.n_outputs)
        nn.init.zeros_(linear.bias)
        return nn.Sequential(_Summary(self), linear)

    def pointwise(self, n_in: int, n_out: int) -> nn.Module:
        """Build a linear layer over the channels."""
        return _Pointwise(n_in, n_out)

    def scaled(self, hidden: tuple[int, ...], factor: Fraction) -> tuple[int, ...]:
        """Return the widest variant within the factor, or else the narrowest one."""
        if not self.variants:
            return super().scaled(hidden, factor)
        fitting = [widths for widths in self.variants if max(widths) <= factor * max(hidden)]
        return fitting[-1] if fitting else self.variants[0]

    def counted_on(self, hidden: tuple[int, ...]) -> str:
        """Return ``meta`` if the modules run there, else ``cpu``.

        Raises:
            TrainingError: if a module cannot be built or run at all, naming its stage.
            InvalidInputError: if a stage gives another number of channels than its width.
        """
        return _tried_on(self, hidden)

    def check_widths(self, hidden: tuple[int, ...]) -> None:
        """Build the stages and a head, and run them on a few rows.

        Raises:
            TrainingError: if a module cannot be built or run, naming its stage.
            InvalidInputError: if a stage gives another number of channels than its width, or there is no
                such variant.
        """
        if self.variants and hidden not in self.variants:
            offered = "; ".join(", ".join(map(str, widths)) for widths in self.variants)
            raise InvalidInputError(
                f"{type(self).__name__} comes in hidden widths {offered}: choose one of them.",
                pointer="/hidden",
            )
        self.counted_on(hidden)

    def try_out(self, hidden: tuple[int, ...], device: str) -> None:
        """Build the stages and a head on a device, and run them there; raises as `counted_on`."""
        blueprint = Blueprint(self, hidden, (_TRIAL,), device=device)
        features = self.trial_rows(_ROWS).to(device)
        for index, width in enumerate(hidden):
            features = self._try(f"Stage {index}", lambda i=index: blueprint.stage(i), features)
            self._check_features(index, width, features)
        outputs = self._try("The head", lambda: blueprint.head(_TRIAL), features)
        if outputs.shape != (_ROWS, _TRIAL.n_outputs):
            raise TrainingError(
                f"The head of {type(self).__name__} gives {list(outputs.shape)} for {_ROWS} rows and a task "
                f"of {_TRIAL.n_outputs} outputs; it must give {[_ROWS, _TRIAL.n_outputs]}."
            )

    def _try(self, what: str, build: Any, features: Tensor) -> Tensor:
        name = type(self).__name__
        try:
            module = build().eval()
            with torch.no_grad():
                answer = module(features)
        except GroupingError:
            raise
        except Exception as error:
            # Whatever a stranger's module raises is told as what it is: that module cannot be used here.
            raise TrainingError(
                f"{what} of {name} cannot be built and run on {_ROWS} trial rows, {list(features.shape)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(answer, Tensor) or not answer.is_floating_point():
            found = answer.dtype if isinstance(answer, Tensor) else type(answer).__name__
            raise TrainingError(f"{what} of {name} gives {found}; it must give one tensor of floats.")
        return answer

    def _check_features(self, index: int, width: int, features: Tensor) -> None:
        shape = list(features.shape)
        if features.ndim not in (2, 3, 4) or shape[0] != _ROWS:
            raise TrainingError(
                f"Stage {index} of {type(self).__name__} gives {shape} for {_ROWS} rows; it must give [rows, "
                "channels], [rows, positions, channels] or [rows, channels, height, width]."
            )
        channels = shape[1] if features.ndim == 4 else shape[-1]
        if channels != width:
            raise InvalidInputError(
                f"Stage {index} of {type(self).__name__} gives {channels} channels where its hidden width is "
                f"{width}: choose hidden widths that the module can have.",
                pointer="/hidden",
            )


@lru_cache(maxsize=1024)
def _tried_on(encoder: ModuleEncoder, hidden: tuple[int, ...]) -> str:
    try:
        encoder.try_out(hidden, "meta")
    except TrainingError:
        encoder.try_out(hidden, "cpu")
        return "cpu"
    return "meta"


class _Summary(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self._encoder = encoder

    def forward(self, features: Tensor) -> Tensor:
        return self._encoder.summary(features)


class _Pointwise(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)

    def forward(self, features: Tensor) -> Tensor:
        channel = 1 if features.ndim == 4 else -1
        mapped: Tensor = self.linear(features.movedim(channel, -1))
        return mapped.movedim(-1, channel)
