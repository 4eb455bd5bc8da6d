"""Wishes that the networks of a job are trained to be kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision: str | None = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "finishes",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("budget_snt", sa.Double(), nullable=False),
        sa.Column("rows", sa.String(20), nullable=False),
        sa.Column("n_seeds", sa.Integer(), nullable=True),
        sa.Column("is_again", sa.Boolean(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_s", sa.Double(), nullable=False),
        sa.Column("started_s", sa.Double(), nullable=True),
        sa.Column("finished_s", sa.Double(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), nullable=False),
        sa.Column("lease_expires_s", sa.Double(), nullable=True),
        sa.Column("lost_claims", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_finishes"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_finishes_job_id_jobs", ondelete="CASCADE"),
        sa.UniqueConstraint("job_id", "budget_snt", "rows", name="uq_finishes_job_id_budget_snt_rows"),
    )
    op.create_index("ix_finishes_state", "finishes", ["state"])


def downgrade() -> None:
    op.drop_table("finishes")
