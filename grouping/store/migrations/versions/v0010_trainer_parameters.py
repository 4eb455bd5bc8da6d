"""The recipe of a job, and how often it is tuned, among the parameters of the built-in trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision: str | None = "0009"
branch_labels = None
depends_on = None

_JOBS = sa.table("jobs", sa.column("id", sa.String), sa.column("spec", sa.JSON))
_BUILT_IN = "built-in"
_MOVED = ("recipe", "tuning_samples")


def upgrade() -> None:
    _change(_moved_in)


def downgrade() -> None:
    _change(_moved_out)


def _change(changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    connection = op.get_bind()
    for job_id, spec in connection.execute(sa.select(_JOBS.c.id, _JOBS.c.spec)).all():
        connection.execute(sa.update(_JOBS).where(_JOBS.c.id == job_id).values(spec=changed(spec)))


def _moved_in(spec: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in spec.items() if name not in _MOVED}
    trainer = spec.get("trainer", _BUILT_IN)
    parameters = spec.get("trainer_parameters", {})
    if trainer == _BUILT_IN:
        parameters = {"recipe": spec.get("recipe", {}), "tuning_samples": spec.get("tuning_samples", 0)}
    return kept | {"trainer": trainer, "trainer_parameters": parameters}


def _moved_out(spec: dict[str, Any]) -> dict[str, Any]:
    parameters = spec["trainer_parameters"]
    moved = {"recipe": parameters.get("recipe", {}), "tuning_samples": parameters.get("tuning_samples", 0)}
    kept = {name: value for name, value in parameters.items() if name not in _MOVED}
    return spec | moved | {"trainer_parameters": kept}
