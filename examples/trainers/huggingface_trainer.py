"""A function: the `Trainer` of Hugging Face. Needs the packages `transformers` and `accelerate`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any


def train(
    tasks: list[str],
    seed: int,
    size: float,
    fidelity: float,
    report: Callable[..., None],
    epochs: int = 20,
) -> dict[str, Any]:
    """Networks trained by the Trainer of Hugging Face."""
    import torch
    from diabetes import load
    from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

    data = load()
    width = max(2, round(32 * size))

    class Rows(torch.utils.data.Dataset):
        def __init__(self, part: str) -> None:
            self.inputs, self.labels = data[part].inputs, data[part].columns(tasks)

        def __len__(self) -> int:
            return len(self.inputs)

        def __getitem__(self, row: int) -> dict[str, Any]:
            return {
                "inputs": torch.from_numpy(self.inputs[row]),
                "labels": torch.from_numpy(self.labels[row]),
            }

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(7, width), torch.nn.ReLU(), torch.nn.Linear(width, len(tasks))
            )

        def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            found = self.layers(inputs)
            return {"loss": (found - labels).square().mean(), "logits": found}

    class Curves(TrainerCallback):
        def on_log(self, _arguments: Any, state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                report(state.epoch, {"train": float(logs["loss"])})

    set_seed(seed)
    n_epochs = max(1, round(epochs * fidelity))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=n_epochs,
            per_device_train_batch_size=32,
            learning_rate=0.01,
            seed=seed,
            logging_strategy="epoch",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = Trainer(Network(), arguments, train_dataset=Rows("train"), callbacks=[Curves()])
        trainer.train()
        scored = {}
        for part in ("validation", "test"):
            found = trainer.predict(Rows(part)).predictions
            errors = ((found - data[part].columns(tasks)) ** 2).mean(axis=0)
            scored[part] = dict(zip(tasks, errors.tolist(), strict=True))
    return {**scored, "epochs": n_epochs}
