"""Keep what a trainer settled for a job, in place of its recipe and its engine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels = None
depends_on = None

_JOBS = sa.table(
    "jobs",
    sa.column("id", sa.String),
    sa.column("spec", sa.JSON),
    sa.column("data_digest", sa.Text),
    sa.column("recipe", sa.JSON),
    sa.column("engine", sa.String),
    sa.column("settled", sa.JSON),
)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("settled", sa.JSON(), nullable=False, server_default="{}"))
    connection = op.get_bind()
    prepared = sa.select(_JOBS.c.id, _JOBS.c.recipe, _JOBS.c.engine).where(_JOBS.c.data_digest.is_not(None))
    for job_id, recipe, engine in connection.execute(prepared).all():
        settled = {"recipe": recipe, "engine": engine}
        connection.execute(sa.update(_JOBS).where(_JOBS.c.id == job_id).values(settled=settled))
    op.drop_column("jobs", "recipe")
    op.drop_column("jobs", "engine")


def downgrade() -> None:
    op.add_column("jobs", sa.Column("recipe", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("jobs", sa.Column("engine", sa.String(length=20), nullable=True))
    connection = op.get_bind()
    for job_id, spec, settled in connection.execute(
        sa.select(_JOBS.c.id, _JOBS.c.spec, _JOBS.c.settled)
    ).all():
        values = {"recipe": settled.get("recipe") or spec["recipe"], "engine": settled.get("engine")}
        connection.execute(sa.update(_JOBS).where(_JOBS.c.id == job_id).values(values))
    op.drop_column("jobs", "settled")
