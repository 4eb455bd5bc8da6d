"""Bundles: the recommended networks as one thing that runs.

A bundle is a folder with a manifest and the weights of the networks that together answer every task. It
needs PyTorch and safetensors (``pip install "mtl-grouping[bundle]"``), and neither database nor Ray:

    from grouping.bundle import load

    bundle = load("bundle")
    bundle.predict(table)
"""

from grouping.extras import require

require("bundle")

from grouping.bundle.loading import Bundle, load  # noqa: E402 - after what is missing was told

__all__ = ["Bundle", "load"]
