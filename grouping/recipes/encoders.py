"""Encoders: declarations of the layers between the inputs and the heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from grouping.domain.tasks import Task, TaskKind
from grouping.domain.trainings.recipes import Recipe
from grouping.errors import InvalidInputError
from grouping.parameters import Field
from grouping.recipes.declarations import Declaration

Height = Annotated[
    int,
    Field(
        ge=0,
        le=4096,
        description="Rows of pixels of an image; 0 to find it from the width, or a square if that is 0 too.",
    ),
]
Width = Annotated[
    int, Field(ge=0, le=4096, description="Pixels of a row of an image; 0 to find it from the height.")
]
Channels = Annotated[
    int,
    Field(
        ge=1,
        le=4096,
        description="Numbers per pixel; a row holds all pixels of the first channel, then those of the next.",
    ),
]
Stride = Annotated[
    int,
    Field(ge=1, le=8, description="Factor by which every stage but the first lowers the resolution."),
]
Grid = Annotated[
    int,
    Field(
        ge=1,
        le=64,
        description="Heads for numbers and classes see the features averaged over this many cells along each "
        "side; 1 is the mean over the image.",
    ),
]
DecoderSteps = Annotated[
    int,
    Field(ge=1, le=8, description="Steps in which the head of a map returns to the resolution of the image."),
]


@dataclass(frozen=True, slots=True)
class Mlp:
    """Encoder of fully connected layers."""

    name: ClassVar[str] = "mlp"
    title: ClassVar[str] = "Fully connected layers"
    description: ClassVar[str] = "A linear layer and a ReLU per hidden width; for tables and small images."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.encoders.mlp:MlpEncoder"


@dataclass(frozen=True, slots=True)
class Convolutional:
    """Encoder of images by convolutions with pooling."""

    name: ClassVar[str] = "convolutional"
    title: ClassVar[str] = "Convolutions"
    description: ClassVar[str] = (
        "A convolution of 3 x 3 pixels and a ReLU per hidden width, with pooling between them; for images. "
        "Maps are decoded by enlarging and convolving."
    )
    source: ClassVar[str] = (
        "LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, "
        "Proceedings of the IEEE 86, 1998"
    )
    implementation: ClassVar[str] = "grouping.training.encoders.convolutional:ConvolutionalEncoder"

    height: Height = 0
    width: Width = 0
    channels: Channels = 1
    stride: Stride = 2
    pooling: Annotated[
        Literal["max", "average", "none"],
        Field(description="How the resolution is lowered; none: by the stride of the convolution itself."),
    ] = "max"
    grid: Grid = 2
    decoder_steps: DecoderSteps = 1


@dataclass(frozen=True, slots=True)
class Xception:
    """Encoder of images by separable convolutions with residual connections."""

    name: ClassVar[str] = "xception"
    title: ClassVar[str] = "Xception"
    description: ClassVar[str] = (
        "A convolution, then a block of depthwise separable convolutions with a residual connection per "
        "further hidden width; for images. Every task of maps has a decoder of its own."
    )
    source: ClassVar[str] = (
        "Chollet, Xception: deep learning with depthwise separable convolutions, CVPR 2017"
    )
    implementation: ClassVar[str] = "grouping.training.encoders.xception:XceptionEncoder"

    height: Height = 0
    width: Width = 0
    channels: Channels = 1
    stride: Stride = 2
    convolutions: Annotated[int, Field(ge=1, le=8, description="Separable convolutions in a block.")] = 2
    grid: Grid = 2
    decoder_steps: DecoderSteps = 2


@dataclass(frozen=True, slots=True)
class Transformer:
    """Encoder of texts by attention between the tokens of each text of a row."""

    name: ClassVar[str] = "transformer"
    title: ClassVar[str] = "Transformer"
    description: ClassVar[str] = (
        "A block of self-attention per hidden width, all of one width; for token numbers, 0 being padding. A "
        "row may hold several texts side by side, encoded with the same weights; the head of a task compares "
        "or ranks those that it reads."
    )
    source: ClassVar[str] = (
        "Vaswani et al., Attention is all you need, NeurIPS 2017; heads after Liu, He, Chen and Gao, "
        "Multi-task deep neural networks for natural language understanding, ACL 2019"
    )
    implementation: ClassVar[str] = "grouping.training.encoders.transformer:TransformerEncoder"

    vocabulary: Annotated[
        int, Field(ge=2, le=2**24, description="Token numbers are 0, which is padding, to this less 1.")
    ] = 10_000
    n_segments: Annotated[
        int, Field(ge=1, le=256, description="Texts in a row, side by side, all padded to one length.")
    ] = 1
    max_length: Annotated[
        int, Field(ge=1, le=65_536, description="Positions that are learned; a text is at most as long.")
    ] = 64
    n_heads: Annotated[
        int, Field(ge=1, le=256, description="Heads of attention; hidden widths are multiples of it.")
    ] = 4
    feed_forward: Annotated[
        int, Field(ge=1, le=16, description="How many times wider than a block its feed-forward layer is.")
    ] = 4
    dropout: Annotated[
        float, Field(ge=0, lt=1, description="Share of a sublayer's outputs that is dropped in training.")
    ] = 0.0

    def check_widths(self, hidden: Sequence[int]) -> None:
        """Refuse widths that are not all equal and a multiple of the number of heads.

        Raises:
            InvalidInputError: pointing into the recipe.
        """
        if len(set(hidden)) > 1 or hidden[0] % self.n_heads:
            fitting = max(1, round(hidden[0] / self.n_heads)) * self.n_heads
            raise InvalidInputError(
                f"A Transformer of {self.n_heads} heads needs hidden widths that are all equal and a "
                f"multiple of {self.n_heads}, such as {', '.join([str(fitting)] * len(hidden))}.",
                pointer="/hidden",
            )

    def segments_of(self, task: Task) -> tuple[int, ...]:
        """Return the texts of a row that a task reads, counted from 0; a ranking reads the question first.

        Raises:
            InvalidInputError: if a row does not have them, pointing into the recipe.
        """
        reads = task.reads or tuple(range(self.n_segments))
        if max(reads) >= self.n_segments:
            raise InvalidInputError(
                f"Task {task.name!r} reads segment {max(reads)}, counted from 0, but a row has "
                f"{self.n_segments}.",
                pointer="/encoder/parameters/n_segments",
            )
        if task.kind is TaskKind.RANKING and len(reads) != task.n_outputs + 1:
            raise InvalidInputError(
                f"Task {task.name!r} ranks {task.n_outputs} candidates and needs {task.n_outputs + 1} "
                f"segments, but a row has {self.n_segments}.",
                pointer="/encoder/parameters/n_segments",
            )
        return reads

    def check_recipe(self, recipe: Recipe, tasks: Sequence[Task]) -> None:
        """Refuse widths that blocks cannot have, and texts that a row does not have."""
        self.check_widths(recipe.hidden)
        for task in tasks:
            self.segments_of(task)


ENCODERS: tuple[type[Declaration], ...] = (Mlp, Convolutional, Xception, Transformer)
