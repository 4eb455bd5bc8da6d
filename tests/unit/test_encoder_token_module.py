"""A model of Hugging Face with an attention mask as an encoder: costs, sizes, weights, training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Method, Precision, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.training import methods
from grouping.training.blueprint import Blueprint, Encoder
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.encoders.token_module import TokenModuleEncoder
from grouping.training.loop import train_network

TASKS = (Task.binary("seven"), Task.regression("share"))
BOTH = Network.of("seven", "share")
RECIPE = Recipe((16,), epochs=6, batch_size=16, learning_rate=0.01, encoder=Method("mlp"))

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass(frozen=True)
class Files:
    """Parameters of the encoder."""

    folder: str


@dataclass(frozen=True)
class BertEncoder(TokenModuleEncoder):
    """A small BERT in two sizes, each with its weights."""

    variants = ((8,), (16,))

    def model(self, width: int) -> nn.Module:
        from transformers import BertConfig, BertModel

        config = BertConfig(
            vocab_size=20,
            hidden_size=width,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=2 * width,
            max_position_embeddings=12,
        )
        return BertModel(config, add_pooling_layer=False)

    def load_weights(self, module: nn.Module, index: int, width: int) -> None:
        module.model.load_state_dict(load_file(Path(self.parameters.folder) / f"{width}.safetensors"))  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> BertEncoder:
    folder = tmp_path_factory.mktemp("weights")
    made = BertEncoder(12, Files(str(folder)))
    torch.manual_seed(0)
    for (width,) in made.variants:
        save_file(made.model(width).state_dict(), folder / f"{width}.safetensors")
    return made


@pytest.fixture
def recipe(encoder: BertEncoder, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    def build(recipe: Recipe, n_features: int) -> Encoder:
        encoder.check_widths(recipe.hidden)
        return encoder

    for module in ("cost", "loop"):
        monkeypatch.setattr(f"grouping.training.{module}.build_encoder", build)
    assert methods.build_encoder is not build
    return RECIPE


def texts() -> TrainingData:
    generator = np.random.default_rng(0)
    tokens = generator.integers(1, 20, size=(120, 12))
    for row, length in enumerate(generator.integers(3, 13, size=120)):
        tokens[row, length:] = 0
    seven = (tokens == 7).any(axis=1).astype(np.float32)
    share = ((tokens > 10).sum(axis=1) / (tokens > 0).sum(axis=1)).astype(np.float32)[:, None]
    parts = np.split(np.arange(120, dtype=np.int64), [80, 100])
    return TrainingData.from_dataset(
        Dataset(tokens.astype(np.float32), {"seven": seven, "share": share}, *parts), TASKS
    )


def test_its_costs_are_counted_and_its_sizes_are_its_variants(recipe: Recipe) -> None:
    full, small = measure_costs(12, TASKS, [BOTH, Network.of("seven", size=0.5)], recipe)
    # Four projections and two layers of double width of 12 tokens, and attention of 12 to 12.
    assert full.encoder_multiply_adds == 12 * (4 * 16 * 16 + 2 * 16 * 32) + 2 * 12 * 12 * 16
    assert (full.widths, small.widths) == ((16,), (8,))
    assert small.cost_snt < 0.5


def test_padding_is_not_attended_to_and_the_weights_are_the_pretrained_ones(encoder: BertEncoder) -> None:
    one, other = (Blueprint(encoder, (16,), (), seed).stage(0).eval() for seed in (0, 1))
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
    text = torch.tensor([[3.0, 5, 7, 2]])
    padded = torch.nn.functional.pad(text, (0, 5))
    with torch.no_grad():
        torch.testing.assert_close(encoder.summary(one(padded)), encoder.summary(one(text)))
        assert not one(padded)[0, 4:].any()


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.FLOAT16])
def test_it_is_trained_and_learns(recipe: Recipe, precision: Precision) -> None:
    losses: list[float] = []
    request, chosen = TrialRequest(BOTH, 0), replace(recipe, precision=precision)
    outcome = train_network(texts(), request, chosen, on_epoch=lambda _, loss: losses.append(loss))
    assert (outcome.state, outcome.error) == (TrialState.SUCCEEDED, None)
    assert losses[-1] < 0.9 * losses[0]
