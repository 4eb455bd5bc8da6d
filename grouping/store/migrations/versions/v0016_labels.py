"""Labels of jobs, and what is searched of them: notes, tags, names that tell jobs apart."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision: str | None = "0015"
branch_labels = None
depends_on = None

_BINARY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for name, kind, default in (
        ("note", sa.Text(), ""),
        ("tags", sa.JSON(none_as_null=True), "[]"),
        ("name_key", _BINARY, ""),
        ("search_text", sa.Text(), ""),
    ):
        op.add_column("jobs", sa.Column(name, kind, nullable=False, server_default=default))
    op.create_index("ix_jobs_name_key_id", "jobs", ["name_key", "id"])
    label_jobs(op.get_bind())


def downgrade() -> None:
    op.drop_index("ix_jobs_name_key_id", "jobs")
    for name in ("search_text", "name_key", "tags", "note"):
        op.drop_column("jobs", name)


def label_jobs(connection: sa.Connection) -> None:
    """Name jobs that have no name, numbered in the order of their submission, and note what is searched."""
    jobs = sa.table(
        "jobs",
        sa.column("id", sa.String),
        sa.column("name", sa.Text),
        sa.column("spec", sa.JSON),
        sa.column("score_table_id", sa.String),
        sa.column("name_key", sa.Text),
        sa.column("search_text", sa.Text),
        sa.column("created_s", sa.Double),
    )
    tables = sa.table("score_tables", sa.column("id", sa.String), sa.column("name", sa.Text))
    found = connection.execute(sa.select(jobs).order_by(jobs.c.created_s, jobs.c.id)).mappings().all()
    taken = Counter(job["name"] for job in found)
    for job in found:
        spec, name = job["spec"], job["name"]
        if not name:
            n_tasks = len(spec["tasks"])
            base = f"{spec['problem'] or spec['trainer']}, {n_tasks} task{'s' * (n_tasks != 1)}"
            taken[base] += 1
            name = base if taken[base] == 1 else f"{base} ({taken[base]})"
        words = (name, "", spec["problem"], spec["trainer"], *spec["tasks"])
        searched = "\n".join(words).replace("\x1f", " ") + "\x1f"
        values = {"name": name, "name_key": name.casefold(), "search_text": searched.casefold()}
        connection.execute(sa.update(jobs).where(jobs.c.id == job["id"]).values(values))
        of_job = tables.c.id == job["score_table_id"]
        connection.execute(sa.update(tables).where(of_job).values(name=name))
