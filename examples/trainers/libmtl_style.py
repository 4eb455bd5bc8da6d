"""A class: a loop in the style of LibMTL, with an encoder, decoders by task and a weighting by name.

It is made once in each process and keeps the data. The structure follows the `Trainer` of LibMTL
(github.com/median-research-group/LibMTL), which is not needed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from diabetes import Rows, load

from grouping import TrialRequest


class LibMtlStyle:
    """Hard parameter sharing, with equal weights or random loss weighting."""

    def __init__(self, tasks: Sequence[str], weighting: str, epochs: int) -> None:
        self.order = list(tasks)
        self.weighting = {"EW": equal_weights, "RLW": random_weights}[weighting]
        self.epochs = epochs
        self.data = load()

    def train(self, requests: Sequence[TrialRequest]) -> Iterator[dict[str, Any]]:
        """Train a network for each request."""
        for request in requests:
            tasks = [task for task in self.order if task in request.network.group]
            epochs = max(1, round(self.epochs * request.fidelity))
            yield self.train_one(tasks, request.network.size, request.seed, epochs)

    def train_one(self, tasks: list[str], size: float, seed: int, epochs: int) -> dict[str, Any]:
        """Train one network on some of the tasks."""
        import torch
        from torch import nn

        torch.manual_seed(seed)
        width = max(2, round(32 * size))
        encoder = nn.Sequential(nn.Linear(7, width), nn.ReLU())
        decoders = nn.ModuleDict({task: nn.Linear(width, 1) for task in tasks})
        optimiser = torch.optim.Adam([*encoder.parameters(), *decoders.parameters()], lr=0.01)

        def task_losses(rows: Rows) -> Any:
            shared = encoder(torch.from_numpy(rows.inputs))
            wanted = {task: torch.from_numpy(rows.targets[task]) for task in tasks}
            found = {task: decoders[task](shared).squeeze(1) for task in tasks}
            return torch.stack([nn.functional.mse_loss(found[task], wanted[task]) for task in tasks])

        for _ in range(epochs):
            optimiser.zero_grad()
            losses = task_losses(self.data["train"])
            (self.weighting(len(tasks)) * losses).sum().backward()
            optimiser.step()
        with torch.no_grad():
            scored = {part: task_losses(self.data[part]).tolist() for part in ("validation", "test")}
        by_task = {part: dict(zip(tasks, losses, strict=True)) for part, losses in scored.items()}
        return {**by_task, "epochs": epochs}


def equal_weights(n_tasks: int) -> Any:
    """Weigh all tasks alike."""
    import torch

    return torch.ones(n_tasks)


def random_weights(n_tasks: int) -> Any:
    """Draw weights anew at each step: random loss weighting (Lin et al., 2022)."""
    import torch

    return n_tasks * torch.softmax(torch.randn(n_tasks), dim=0)
