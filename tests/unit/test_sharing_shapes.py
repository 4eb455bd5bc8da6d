from __future__ import annotations

import pytest
import torch
from torch import Tensor

from grouping.training.sharing.shapes import at_positions_of, channel_dim, is_present, per_channel

SHAPES = {"vector": (2, 5), "sequence": (2, 3, 5), "map": (2, 5, 4, 6)}


def features(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_vector_meets_every_channel_at_every_position(shape: tuple[int, ...]) -> None:
    x, vector = features(shape), torch.arange(5.0)
    assert x.shape[channel_dim(x)] == 5
    scaled = x * per_channel(vector, x)
    for channel in range(5):
        expected = channel * x.select(channel_dim(x), channel)
        assert torch.equal(scaled.select(channel_dim(x), channel), expected)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_features_of_as_many_positions_stay_as_they_are(shape: tuple[int, ...]) -> None:
    x = features(shape)
    assert at_positions_of(x, features(shape)) is x


def test_a_finer_map_is_averaged_over_the_cells_of_the_coarser_one() -> None:
    x = features((2, 5, 4, 6))
    coarse = at_positions_of(x, features((2, 9, 2, 3)))
    assert coarse.shape == (2, 5, 2, 3)
    torch.testing.assert_close(coarse[:, :, 1, 2], x[:, :, 2:, 4:].mean(dim=(2, 3)))
    torch.testing.assert_close(coarse.mean(dim=(2, 3)), x.mean(dim=(2, 3)))


def test_a_coarser_map_is_repeated() -> None:
    x = features((2, 5, 1, 2))
    assert torch.equal(
        at_positions_of(x, features((2, 5, 3, 4))), x.repeat_interleave(2, dim=3).expand(2, 5, 3, 4)
    )


def test_a_sequence_of_another_length_gives_its_mean_to_every_position() -> None:
    x = features((2, 3, 5))
    found = at_positions_of(x, features((2, 7, 4)))
    torch.testing.assert_close(found, x.mean(dim=1, keepdim=True).expand(2, 7, 5))


def test_only_sequences_have_padding() -> None:
    x = features((2, 3, 5))
    x[0, 1] = 0.0
    x[1, 2, :4] = 0.0
    present = is_present(x)
    assert present is not None
    assert present.squeeze(-1).tolist() == [[True, False, True], [True, True, True]]
    assert is_present(torch.zeros(2, 5)) is None
    assert is_present(torch.zeros(2, 5, 4, 6)) is None
