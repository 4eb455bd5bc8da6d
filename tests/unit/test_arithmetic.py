"""Reproducible arithmetic: asked for, told truly, and the same bits in any stack under all of it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from grouping.domain.networks import Network
from grouping.domain.trainings.arithmetic import Stacking, differences
from grouping.domain.trainings.recipes import Method
from grouping.domain.trainings.trials import TrialRequest
from grouping.training import arithmetic
from grouping.training.arithmetic import MKL_MODE, MKL_VARIABLE, ask_for_reproducibility, current_arithmetic
from grouping.training.engines import independence, stacking_of, train_networks
from grouping.training.engines import products as products_module
from grouping.training.engines.capacity import most_members
from grouping.training.engines.stacked_network import StackedNetwork
from tests.unit.test_engines_stacked import DATA, RECIPE, REQUESTS, assert_equal, states_of

pytestmark = pytest.mark.usefixtures("one_thread")

SOME = REQUESTS[:3]


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing is known of this machine."""
    monkeypatch.setattr(products_module, "_AT_ONCE", {})
    monkeypatch.setattr(independence, "_KNOWN", {})
    return monkeypatch


def by_number(kernel: Any) -> Any:
    """The kernel as a library may have it that chooses its routine by the number of members."""

    def computed(*operands: Tensor, out: Tensor | None = None) -> Tensor:
        found: Tensor = kernel(*operands)
        found = found + 1e-7 * len(found) * found.abs()
        return found if out is None else out.copy_(found)

    return computed


def scores(requests: list[Any]) -> list[Any]:
    return [outcome.scores for outcome in train_networks(DATA, requests, replace(RECIPE, epochs=1))]


# --- whatever the library does


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "instructions"),
    [*itertools.product([None, ""], [None, "avx2", "default"]), ("COMPATIBLE", None)],
)
def test_a_stack_changes_no_bit_of_a_network_under_any_arithmetic(
    mode: str | None, instructions: str | None
) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in (MKL_VARIABLE, "ATEN_CPU_CAPABILITY")}
    environment |= {} if mode is None else {MKL_VARIABLE: mode}
    environment |= {} if instructions is None else {"ATEN_CPU_CAPABILITY": instructions}
    done = subprocess.run(
        [sys.executable, "-m", "tests.stacking"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["broken"] == []
    assert found["stacking"] != Stacking.NONE
    if found["broken_at_once"]:
        assert found["split"], "the trial does not find what this machine breaks"
    if found["blas"].startswith("MKL"):
        assert found["blas"].endswith({None: MKL_MODE, "": "off", "COMPATIBLE": "COMPATIBLE"}[mode])
    if instructions is not None and torch.backends.cpu.get_cpu_capability() == "AVX512":
        assert found["instructions"] == instructions.upper()


# --- a library that breaks


def test_products_that_go_by_the_number_of_members_are_split(
    untried: pytest.MonkeyPatch,
) -> None:
    untried.setattr(torch, "bmm", by_number(torch.bmm))
    untried.setattr(torch, "baddbmm", by_number(torch.baddbmm))
    assert not torch.equal(torch.bmm(*[torch.ones(3, 2, 2)] * 2)[:2], torch.bmm(*[torch.ones(2, 2, 2)] * 2))
    together = states_of(DATA, REQUESTS, RECIPE)
    for chosen in ([14], [0], [3, 14], [5, 0, 7], [13, 1, 14, 2, 8, 6, 4]):
        found = states_of(DATA, [REQUESTS[number] for number in chosen], RECIPE)
        for number, state in zip(chosen, found, strict=True):
            assert_equal(state, together[number])
    assert stacking_of(DATA, RECIPE, SOME) is Stacking.SPLIT


def test_where_something_else_goes_by_the_number_of_members_each_is_trained_alone(
    untried: pytest.MonkeyPatch,
) -> None:
    alone = [scores([request])[0] for request in REQUESTS[:4]]
    differentiate = StackedNetwork.differentiate

    def disturbed(network: StackedNetwork, *arguments: Any) -> list[Tensor]:
        found = differentiate(network, *arguments)
        assert network.weights.grad is not None
        network.weights.grad.mul_(1 + 1e-3 * (network._n_members - 1))
        return found

    untried.setattr(StackedNetwork, "differentiate", disturbed)
    assert stacking_of(DATA, RECIPE, SOME) is Stacking.NONE
    assert scores(REQUESTS[:4]) == alone


@pytest.mark.parametrize("n_members", [1, 2, 5, 64])
@pytest.mark.parametrize("breaks", [False, True])
def test_once_it_is_tried_all_members_take_one_call_or_one_each(
    untried: pytest.MonkeyPatch, n_members: int, breaks: bool
) -> None:
    calls: list[int] = []

    def plain(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
        calls.append(len(left))
        found = (left[:, :, :, None] * right[:, None]).sum(dim=2)
        found = found * (len(left) if breaks else 1)
        return found if out is None else out.copy_(found)

    untried.setattr(torch, "bmm", plain)
    operands = torch.ones(n_members, 3, 4), torch.ones(n_members, 4, 2)
    products_module.products(*operands, torch.empty(n_members, 3, 2))
    calls.clear()
    found = products_module.products(*operands, torch.empty(n_members, 3, 2))
    assert torch.equal(found, torch.full((n_members, 3, 2), 8.0 if breaks else 4.0))
    assert calls == ([2] * n_members if breaks and n_members != 2 else [n_members])


def test_networks_that_are_not_stacked_are_independent(untried: pytest.MonkeyPatch) -> None:
    untried.setattr(independence, "StackedTraining", None)
    assert stacking_of(DATA, replace(RECIPE, weighting=Method("uncertainty")), SOME) is Stacking.FULL
    assert stacking_of(DATA, RECIPE, []) is Stacking.FULL


def test_networks_too_large_to_be_trained_together_are_not_tried(untried: pytest.MonkeyPatch) -> None:
    large = replace(RECIPE, hidden=(4096, 4096))
    assert most_members(DATA, REQUESTS[0], large) == 1
    untried.setattr(independence, "StackedTraining", None)
    assert stacking_of(DATA, large, SOME) is Stacking.FULL


def test_a_size_that_cannot_be_built_is_told_elsewhere(untried: pytest.MonkeyPatch) -> None:
    assert stacking_of(DATA, RECIPE, [TrialRequest(Network.of("sum", size=1e-9), 0)]) is Stacking.FULL


def test_a_training_that_diverges_is_no_sign_of_dependence(untried: pytest.MonkeyPatch) -> None:
    assert stacking_of(DATA, replace(RECIPE, learning_rate=1e30), SOME) is not Stacking.NONE


# --- what is asked for, and what is told


def test_reproducibility_is_asked_for_and_what_a_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, usual in ((MKL_VARIABLE, MKL_MODE), (arithmetic.CUBLAS_VARIABLE, arithmetic.CUBLAS_MODE)):
        monkeypatch.delenv(variable, raising=False)
        ask_for_reproducibility()
        assert os.environ[variable] == usual
        monkeypatch.setenv(variable, "")
        ask_for_reproducibility()
        assert os.environ[variable] == ""


def test_the_arithmetic_of_a_process_names_all_that_bits_depend_on() -> None:
    told = current_arithmetic().as_versions()
    assert list(told) == ["processor", "instructions", "blas", "device"]
    assert all(told.values())
    assert told["instructions"] == torch.backends.cpu.get_cpu_capability()


VERSIONS = st.dictionaries(st.sampled_from(["torch", "blas", "processor"]), st.sampled_from("abc"))


@given(VERSIONS, VERSIONS)
def test_differences_name_what_is_known_of_both_and_not_the_same(
    one: dict[str, str], other: dict[str, str]
) -> None:
    found = differences(one, other)
    for name in {*one, *other}:
        is_different = name in one and name in other and one[name] != other[name]
        assert (f"{name} " in found) == is_different
    assert differences(one, one) == ""
    assert bool(found) == bool(differences(other, one))
