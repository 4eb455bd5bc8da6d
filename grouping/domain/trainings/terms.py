"""Terms of trainings: what a job itself says of them, in place of what its trainer says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from grouping.domain.networks import Network
from grouping.domain.trainings.resources import StatedResources


@dataclass(frozen=True, slots=True)
class TrainingTerms:
    """Terms of the trainings of a job; what is None is left to its trainer.

    Attributes:
        epochs: epochs of a full training; a short one has its share of them.
        resources: what a training holds.
        resources_of: what differs from that, by name or number of the size.
        deadline_s: seconds after which a training is ended and has failed.
        max_attempts: failures after which a training is given up that asks for another attempt; losses of
            machines do not count.
        size_names: names of sizes by their number.
    """

    epochs: int | None = None
    resources: StatedResources = field(default_factory=StatedResources)
    resources_of: Mapping[str, StatedResources] = field(default_factory=dict)
    deadline_s: float | None = None
    max_attempts: int | None = None
    size_names: Mapping[float, str] = field(default_factory=dict)

    def resources_for(self, network: Network) -> StatedResources:
        """Return what is stated for a training of a network."""
        names = (self.size_names.get(network.size, ""), size_text(network.size))
        own = next((self.resources_of[name] for name in names if name in self.resources_of), None)
        return self.resources if own is None else own.beside(self.resources)

    def epochs_at(self, fidelity: float) -> int | None:
        """Return the epochs of a training of some fidelity, at least one; None where nothing is stated."""
        return None if self.epochs is None else max(1, round(self.epochs * fidelity))

    def sentences(self) -> Iterator[str]:
        """Yield what is stated, a sentence each."""
        if self.epochs is not None:
            yield f"A full training counts {self.epochs:,} epoch{'s' * (self.epochs != 1)}."
        if not self.resources.is_empty:
            yield f"Each training holds {_in_words(self.resources)}."
        for size, stated in self.resources_of.items():
            yield f"At size {size} instead: {_in_words(stated)}."
        if self.deadline_s is not None:
            yield f"A training is ended after {self.deadline_s:g} s, and has failed then."
        if self.max_attempts is not None:
            most = self.max_attempts
            yield f"A training is given up after {most} failures; losses of machines do not count."


def size_text(size: float) -> str:
    """Write the number of a size as files name it, such as ``0.5``."""
    return f"{size:.12g}"


def _in_words(stated: StatedResources) -> str:
    parts = [f"{stated.cpus:g} CPU"] if stated.cpus is not None else []
    parts += [f"{stated.gpus:g} GPU"] if stated.gpus is not None else []
    parts += [f"{stated.memory_gib:g} GiB of memory"] if stated.memory_gib is not None else []
    parts += [f"{amount:g} {name}" for name, amount in (stated.custom or {}).items()]
    return ", ".join(parts) or "what the trainer says"
