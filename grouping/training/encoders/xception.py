"""Xception encoder: depthwise separable convolutions with residual connections; decoders for maps.

Source: Chollet, Xception: deep learning with depthwise separable convolutions, CVPR 2017. Standley et al.
(ICML 2020) use an encoder of this kind for their groupings, with a decoder of separable convolutions per
task.

The first stage is a plain convolution. Every further one is a block

    x  ->  shortcut(x) + f_k(... f_1(x)),    f(x) = norm(pointwise(depthwise(relu(x))))

of ``convolutions`` separable ones; the first divides the resolution by ``stride``, and so does the shortcut,
a convolution of one pixel. What differs: strides instead of max pooling, and one group of GroupNorm (Wu and
He, ECCV 2018) instead of batch normalisation, since a row's output must not depend on the other rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from grouping.recipes.encoders import Xception
from grouping.training.encoders.images import ImageEncoder, ImageParameters, convolution


@dataclass(frozen=True)
class XceptionEncoder(ImageEncoder):
    """Encoder of images by separable convolutions; see the module.

    Attributes:
        parameters: shape of the images, and size of the blocks.
    """

    parameters: Xception

    @property
    def image(self) -> ImageParameters:
        """Shape of the images, and what the heads need."""
        return self.parameters

    def stage(self, index: int, n_in: int, width: int) -> nn.Module:
        """Build the plain convolution for the first stage, else a block."""
        if index == 0:
            entry = convolution(self.parameters.channels, width, 3)
            return nn.Sequential(self.unflatten(), entry, nn.GroupNorm(1, width))
        return XceptionBlock(n_in, width, self.parameters.convolutions, self.parameters.stride)

    def decoder_layer(self, n_in: int, n_out: int) -> nn.Module:
        """Build a ReLU and a separable convolution, as in a block."""
        return separable(n_in, n_out)


class XceptionBlock(nn.Module):
    """Xception block: separable convolutions beside a shortcut."""

    def __init__(self, n_in: int, width: int, convolutions: int, stride: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(convolution(n_in, width, 1, stride=stride), nn.GroupNorm(1, width))
        self.branch = nn.Sequential(
            separable(n_in, width, stride), *(separable(width, width) for _ in range(convolutions - 1))
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[rows, n_in, height, width]`` to ``[rows, channels, height / stride, width / stride]``."""
        total: Tensor = self.shortcut(features) + self.branch(features)
        return total


def separable(n_in: int, n_out: int, stride: int = 1) -> nn.Module:
    """Build ReLU, depthwise 3 x 3 convolution, pointwise convolution and GroupNorm."""
    return nn.Sequential(
        nn.ReLU(),
        convolution(n_in, n_in, 3, stride=stride, groups=n_in),
        convolution(n_in, n_out, 1),
        nn.GroupNorm(1, n_out),
    )
