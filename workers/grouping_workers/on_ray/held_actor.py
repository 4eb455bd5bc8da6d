"""An actor that trains, with the resources that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from grouping.domain.trainings.resources import PlacedResources, Resources
from grouping_workers.on_ray.shipment import Shipment


@dataclass(frozen=True, slots=True, eq=False)
class HeldActor:
    """An actor and its resources; Ray starts it once they are free.

    Attributes:
        actor: its handle.
        resources: what it holds.
        group: the placement group in which it stands, with the workers that its training starts; None where
            it starts none.
    """

    actor: Any
    resources: Resources
    group: Any = None

    @classmethod
    def start(
        cls,
        of: type[Any],
        arguments: tuple[Any, ...],
        resources: Resources,
        shipment: Shipment | None = None,
    ) -> HeldActor:
        """Start an actor; returns at once.

        Args:
            of: its class.
            arguments: those of the class.
            resources: what it is to hold.
            shipment: what Ray brings to it; None for nothing.
        """
        options: dict[str, Any] = {"num_cpus": resources.cpus, "num_gpus": resources.gpus}
        if resources.memory_gib is not None:
            options["memory"] = int(resources.memory_gib * 2**30)
        if resources.custom:
            options["resources"] = dict(resources.custom)
        if shipment is not None:
            options["runtime_env"] = shipment.for_actor()
        group = None
        strategy: Any = "SPREAD"
        if isinstance(resources, PlacedResources) and resources.bundles:
            bundles = [resources.own_amounts(), *map(dict, resources.bundles)]
            group = placement_group(bundles, strategy=resources.placement.value)
            # What the training starts on Ray stands in the group too, without being told.
            strategy = PlacementGroupSchedulingStrategy(group, 0, placement_group_capture_child_tasks=True)
        remote = ray.remote(scheduling_strategy=strategy, **options)(of)
        return cls(remote.remote(*arguments), resources, group)

    def end(self) -> None:
        """End the actor, whatever it does, and free what it holds."""
        ray.kill(self.actor)
        if self.group is not None:
            remove_placement_group(self.group)
