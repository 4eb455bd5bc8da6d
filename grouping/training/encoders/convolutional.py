"""Convolutional encoder: 3 x 3 pixels and a ReLU per stage, with pooling or strides between.

Source: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition,
Proceedings of the IEEE 86, 1998. What differs: ReLU, and initial weights after He et al. (2015); no batch
normalisation, since a row's output must not depend on the other rows.

A stage is a convolution. The first one keeps the resolution of the image, every further one starts by
dividing it by ``stride``, rounded up: with ``pooling`` "max" or "average" over squares of that side,
with "none" by a convolution of that stride.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from grouping.recipes.encoders import Convolutional
from grouping.training.encoders.images import ImageEncoder, ImageParameters, convolution


@dataclass(frozen=True)
class ConvolutionalEncoder(ImageEncoder):
    """Encoder of images by convolutions; see the module.

    Attributes:
        parameters: shape of the images, and how the resolution falls from stage to stage.
    """

    parameters: Convolutional

    @property
    def image(self) -> ImageParameters:
        """Shape of the images, and what the heads need."""
        return self.parameters

    def stage(self, index: int, n_in: int, width: int) -> nn.Module:
        """Build pooling, a convolution and a ReLU."""
        if index == 0:
            return nn.Sequential(self.unflatten(), convolution(self.parameters.channels, width, 3), nn.ReLU())
        stride, pooling = self.parameters.stride, self.parameters.pooling
        if pooling == "none":
            return nn.Sequential(convolution(n_in, width, 3, stride=stride), nn.ReLU())
        pool = nn.MaxPool2d if pooling == "max" else nn.AvgPool2d
        return nn.Sequential(pool(stride, ceil_mode=True), convolution(n_in, width, 3), nn.ReLU())

    def decoder_layer(self, n_in: int, n_out: int) -> nn.Module:
        """Build a convolution and a ReLU."""
        return nn.Sequential(convolution(n_in, n_out, 3), nn.ReLU())
