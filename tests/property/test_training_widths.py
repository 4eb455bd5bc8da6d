from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.errors import InvalidInputError
from grouping.recipes.encoders import Mlp
from grouping.training.cost import scaled_widths
from grouping.training.encoders.mlp import MlpEncoder
from tests.effort import examples

hidden_widths = st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple)
sizes = st.one_of(st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 3.0]), st.floats(0.05, 4.0))


def multiply_adds(n_features: int, widths: tuple[int, ...]) -> int:
    return sum(a * b for a, b in zip((n_features, *widths), widths, strict=False))


def widened(hidden: tuple[int, ...], factor: Fraction) -> tuple[int, ...]:
    return tuple(max(1, int(width * factor)) for width in hidden)


@settings(deadline=None, max_examples=examples(60))
@given(st.integers(1, 80), hidden_widths, sizes)
def test_widths_are_the_widest_uniform_scaling_within_the_size(
    n_features: int, hidden: tuple[int, ...], size: float
) -> None:
    full = multiply_adds(n_features, hidden)
    # Every scaling there is: the widths change only where a product of factor and width is whole.
    factors = {Fraction(k, width) for width in hidden for k in range(1, int(6 * width) + 1)}
    scalings = {widened(hidden, factor) for factor in factors}
    fitting = [widths for widths in scalings if multiply_adds(n_features, widths) / full <= size]
    try:
        found = scaled_widths(MlpEncoder(n_features, Mlp()), hidden, size)
    except InvalidInputError:
        assert not fitting
        return
    assert multiply_adds(n_features, found) == max(multiply_adds(n_features, widths) for widths in fitting)
    assert found in fitting


@settings(deadline=None, max_examples=examples(40))
@given(st.integers(1, 80), hidden_widths, sizes, sizes)
def test_a_larger_size_is_never_narrower(
    n_features: int, hidden: tuple[int, ...], one: float, other: float
) -> None:
    try:
        narrow, wide = (
            scaled_widths(MlpEncoder(n_features, Mlp()), hidden, size) for size in sorted((one, other))
        )
    except InvalidInputError:
        return
    assert all(a <= b for a, b in zip(narrow, wide, strict=True))
