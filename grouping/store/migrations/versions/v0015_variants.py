"""Variants of trials: the recipe of a trial, and how many networks are averaged, where recipes are tuned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision: str | None = "0014"
branch_labels = None
depends_on = None

_BEFORE = ("network_id", "purpose", "seed", "fidelity")
_NOW = (*_BEFORE, "recipe", "members")
_OF_TRIALS = ("scores", "trial_reports", "trial_progress", "joint_affinities")
"""Tables whose rows go with their trial."""


def upgrade() -> None:
    with _rows_kept(), op.batch_alter_table("trials") as trials:
        trials.add_column(sa.Column("recipe", sa.Integer(), nullable=False, server_default="0"))
        trials.add_column(sa.Column("members", sa.Integer(), nullable=False, server_default="1"))
        trials.drop_constraint(_name(_BEFORE), type_="unique")
        trials.create_unique_constraint(_name(_NOW), list(_NOW))


def downgrade() -> None:
    op.execute("DELETE FROM trials WHERE recipe <> 0 OR members <> 1")
    with _rows_kept(), op.batch_alter_table("trials") as trials:
        trials.drop_constraint(_name(_NOW), type_="unique")
        trials.create_unique_constraint(_name(_BEFORE), list(_BEFORE))
        trials.drop_column("recipe")
        trials.drop_column("members")


def _name(columns: Sequence[str]) -> str:
    return f"uq_trials_{'_'.join(columns)}"


@contextmanager
def _rows_kept() -> Iterator[None]:
    """Keep what goes with the trials while SQLite, which alters no constraint, makes their table anew."""
    if op.get_bind().dialect.name != "sqlite":
        yield
        return
    for table in _OF_TRIALS:
        op.execute(f"CREATE TEMPORARY TABLE kept_{table} AS SELECT * FROM {table}")  # nosec B608 # names of our own tables
    yield
    for table in _OF_TRIALS:
        op.execute(f"DELETE FROM {table}")  # nosec B608 # names of our own tables
        op.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")  # nosec B608 # names of our own tables
        op.execute(f"DROP TABLE kept_{table}")
