"""A command: plain PyTorch with a DataLoader, checkpoints and learning curves.

python pytorch_loop.py --tasks progress,bmi --size 1 --seed 0 --fidelity 1 --out OUT --checkpoint CHECKPOINT
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from diabetes import Rows, load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Network(nn.Module):
    """Shared layers and a head per task; `size` is the share of the full width."""

    def __init__(self, tasks: list[str], size: float) -> None:
        super().__init__()
        width = max(2, round(32 * size))
        self.shared = nn.Sequential(nn.Linear(7, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(width, 1) for _ in tasks)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return predictions ``[rows, tasks]``."""
        shared = self.shared(inputs)
        return torch.cat([head(shared) for head in self.heads], dim=1)


def losses(network: Network, rows: Rows, tasks: list[str]) -> dict[str, float]:
    """Return the mean squared error of each task."""
    with torch.no_grad():
        errors = network(torch.from_numpy(rows.inputs)) - torch.from_numpy(rows.columns(tasks))
    return dict(zip(tasks, errors.square().mean(dim=0).tolist(), strict=True))


def main() -> None:
    """Train one network as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=lambda text: text.split(","), required=True)
    parser.add_argument("--size", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--fidelity", type=float, required=True)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    told = parser.parse_args()

    torch.manual_seed(told.seed)
    torch.set_num_threads(1)
    data = load()
    network = Network(told.tasks, told.size)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.003)
    seen = TensorDataset(*map(torch.from_numpy, (data["train"].inputs, data["train"].columns(told.tasks))))
    loader = DataLoader(seen, batch_size=32, shuffle=True)

    # A training that was killed goes on where it was saved last, with the same random numbers.
    first, saved = 0, told.checkpoint / "state.pt"
    if saved.exists():
        state = torch.load(saved)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        first = state["epoch"]
    epochs = max(1, round(told.epochs * told.fidelity))
    for epoch in range(first, epochs):
        for inputs, targets in loader:
            optimiser.zero_grad()
            nn.functional.mse_loss(network(inputs), targets).backward()
            optimiser.step()
        values = {
            f"validation.{t}": loss for t, loss in losses(network, data["validation"], told.tasks).items()
        }
        print(json.dumps({"grouping": {"step": epoch + 1, "values": values}}))
        state = {
            "epoch": epoch + 1,
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "random": torch.get_rng_state(),
        }
        torch.save(state, saved.with_suffix(".new"))
        saved.with_suffix(".new").replace(saved)

    result = {
        "validation": losses(network, data["validation"], told.tasks),
        "test": losses(network, data["test"], told.tasks),
        "epochs": epochs,
        "costs": {"parameters": sum(weights.numel() for weights in network.parameters())},
    }
    (told.out / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
