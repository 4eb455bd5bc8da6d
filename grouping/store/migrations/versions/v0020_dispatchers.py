"""Dispatchers that register, and how many a job has lost in a row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision: str | None = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dispatchers",
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("n_jobs", sa.Integer(), nullable=False),
        sa.Column("started_s", sa.Double(), nullable=False),
        sa.Column("seen_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_dispatchers"),
    )
    op.add_column("jobs", sa.Column("claimed_s", sa.Double(), nullable=True))
    op.add_column("jobs", sa.Column("lost_claims", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name in ("lost_claims", "claimed_s"):
        op.drop_column("jobs", name)
    op.drop_table("dispatchers")
