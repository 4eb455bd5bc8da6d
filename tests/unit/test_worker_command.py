"""Options of `grouping worker`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.cli.machine import memory_bytes, processors
from grouping.cli.worker import read_resources
from grouping.client import Agent
from grouping.client.assignments import Assignments
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import TrialOutcome
from grouping.errors import InvalidInputError
from grouping.wire.leases import WaitingOut

amounts = st.integers(1, 64)


@given(amounts, amounts, amounts, amounts)
def test_resources_are_read_in_any_order_with_names_of_ones_own(
    cpus: int, gpus: int, memory: int, own: int
) -> None:
    wanted = Resources(cpus, gpus, memory, {"a100": own})
    parts = [f"cpu={cpus}", f"gpu={gpus}", f"memory={memory}", f"a100={own}"]
    assert read_resources(",".join(parts)) == read_resources(" , ".join(reversed(parts))) == wanted


def test_what_is_not_stated_is_that_of_the_machine_shared_by_the_slots() -> None:
    alone, shared = read_resources("gpu=1"), read_resources("gpu=1", slots=4)
    assert alone.cpus == processors()
    assert shared.cpus == max(1, processors() // 4)
    assert alone.memory_gib is not None
    assert shared.memory_gib is not None
    assert alone.memory_gib == 4 * shared.memory_gib > 0.1
    assert read_resources("memory=7,cpu=3", slots=4) == Resources(3, 0, 7)
    half = Resources(1, 1, alone.memory_gib / 2)
    assert half.fit_into(alone.amounts()) == 1
    assert not half.lacking(alone.amounts())
    assert half.fit_into(shared.amounts()) == 0
    assert len(half.lacking(shared.amounts())) == 1


def test_the_limit_of_a_container_is_the_memory_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_machine = memory_bytes()
    limit, none = tmp_path / "memory.max", tmp_path / "none"
    limit.write_text("123456789\n")
    none.write_text("max\n")
    monkeypatch.setattr("grouping.cli.machine.LIMIT_FILES", (none, tmp_path / "missing"))
    without_limit = memory_bytes()
    assert of_machine is not None
    assert without_limit is not None
    assert without_limit >= of_machine > 123456789
    monkeypatch.setattr("grouping.cli.machine.LIMIT_FILES", (none, limit))
    assert memory_bytes() == 123456789


class Empty(Assignments):
    """A service that has trainings for larger workers alone; it says of each in turn what is lacking."""

    def __init__(self, *sentences: str) -> None:
        self.sentences = list(sentences)
        self.agent: Agent | None = None

    def ask(self, *args: object, **options: object) -> None:
        return None

    def waiting(self, resources: Resources | None = None) -> WaitingOut:
        assert resources == Resources(gpus=1)
        sentence = self.sentences.pop(0)
        if not self.sentences and self.agent is not None:
            self.agent.stop()
        return WaitingOut(trainings=1, fitting=0, too_large=[], sentence=sentence)

    def has_ended(self) -> bool:
        return False


def test_an_agent_says_what_it_lacks_once_and_again_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grouping.client.agent.ASK_S", 0.0)  # between two looks
    service = Empty("needs 2 GPU", "needs 2 GPU", "needs 4 GPU", "", "", "needs 4 GPU")
    said: list[str] = []

    def train(*_: object) -> TrialOutcome:
        raise AssertionError("Nothing is leased.")

    service.agent = Agent(service, train, resources=Resources(gpus=1), slots=2, on_event=said.append)
    service.agent.run()
    assert said == ["needs 2 GPU", "needs 4 GPU", "needs 4 GPU"]


@pytest.mark.parametrize(
    "text", ["", "gpu", "gpu=", "gpu=one", "gpu=1,,cpu=2", "gpu=-1", "a100=0", "gpu=nan"]
)
def test_resources_that_are_not_understood_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_resources(text)
