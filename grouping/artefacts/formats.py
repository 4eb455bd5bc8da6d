"""Formats that a bundle can be converted to; `grouping.bundle.formats` converts."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """A format that a bundle can be converted to."""

    ONNX = "onnx"
    """For ONNX Runtime and many others; needs the extra ``onnx``."""
    TORCH_EXPORT = "torch-export"
    """A programme that PyTorch runs without the code of the networks."""
