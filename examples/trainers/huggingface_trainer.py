"""A function: a small encoder of Hugging Face and its `Trainer`; nothing is downloaded.

Needs the packages `transformers` and `accelerate`. Each measurement of a patient is a token.
"""

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
    """Encoders trained by the Trainer of Hugging Face."""
    import torch
    from diabetes import load
    from transformers import (
        BertConfig,
        BertModel,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )

    data = load()
    width = 2 * max(2, round(16 * size))

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
            self.tokens = torch.nn.Parameter(torch.randn(7, width) / width**0.5)
            self.encoder = BertModel(
                BertConfig(
                    vocab_size=1,
                    hidden_size=width,
                    num_hidden_layers=1,
                    num_attention_heads=2,
                    intermediate_size=2 * width,
                    max_position_embeddings=8,
                    hidden_dropout_prob=0.0,
                    attention_probs_dropout_prob=0.0,
                ),
                add_pooling_layer=False,
            )
            self.heads = torch.nn.Linear(width, len(tasks))

        def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            tokens = inputs[:, :, None] * self.tokens
            found = self.heads(self.encoder(inputs_embeds=tokens).last_hidden_state.mean(dim=1))
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
            learning_rate=0.003,
            seed=seed,
            logging_strategy="epoch",
            save_strategy="no",
            report_to=[],
            dataloader_pin_memory=torch.cuda.is_available(),
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
