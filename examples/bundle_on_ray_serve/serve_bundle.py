"""A bundle on Ray Serve, with two replicas of a processor each: BUNDLE=bundle serve run serve_bundle:app

It needs Ray Serve beside the bundle: pip install "mtl-grouping[bundle]" "ray[serve]"
"""

from __future__ import annotations

import os
from typing import Any

import torch
from ray import serve
from starlette.requests import Request

from grouping.bundle import load
from grouping.errors import InvalidInputError


@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 1})
class Predictor:
    """Answers ``{"rows": [...]}`` with a list of predictions by task."""

    def __init__(self, address: str) -> None:
        torch.set_num_threads(1)  # a replica has one processor
        self._bundle = load(address)

    async def __call__(self, request: Request) -> Any:
        """Answer one request."""
        try:
            return self._bundle.predict((await request.json())["rows"]).to_dict("records")
        except InvalidInputError as error:
            return {"error": str(error)}


app = Predictor.bind(os.environ.get("BUNDLE", "bundle"))
