"""A function: a LightningModule. Needs the package `lightning`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def train(
    tasks: list[str], seed: int, size: float, fidelity: float, report: Callable[..., None], epochs: int = 20
) -> dict[str, Any]:
    """Networks trained by Lightning."""
    import lightning
    import torch
    from diabetes import load
    from torch.utils.data import DataLoader, TensorDataset

    data = load()
    width = max(2, round(32 * size))

    def tensors(part: str) -> TensorDataset:
        rows = data[part]
        return TensorDataset(torch.from_numpy(rows.inputs), torch.from_numpy(rows.columns(tasks)))

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = torch.nn.Sequential(
                torch.nn.Linear(7, width), torch.nn.ReLU(), torch.nn.Linear(width, len(tasks))
            )

        def errors(self, batch: Any) -> torch.Tensor:
            return (self.network(batch[0]) - batch[1]).square().mean(dim=0)

        def training_step(self, batch: Any, _number: int) -> torch.Tensor:
            return self.errors(batch).mean()

        def on_train_epoch_end(self) -> None:
            report(self.current_epoch + 1, scores(self, "validation"))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=0.01)

    def scores(module: Module, part: str) -> dict[str, float]:
        with torch.no_grad():
            return dict(zip(tasks, module.errors(tensors(part).tensors).tolist(), strict=True))

    lightning.seed_everything(seed, verbose=False)
    module = Module()
    n_epochs = max(1, round(epochs * fidelity))
    trainer = lightning.Trainer(
        max_epochs=n_epochs,
        accelerator="auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(tensors("train"), batch_size=32, shuffle=True))
    module.cpu()
    return {part: scores(module, part) for part in ("validation", "test")} | {"epochs": n_epochs}
