"""What trainings tell: costs and what they keep when they end, progress and log while they run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision: str | None = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("networks", sa.Column("costs", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("trials", sa.Column("artefact", sa.Text(), nullable=True))
    op.create_table(
        "trial_reports",
        sa.Column("trial_id", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("n_points", sa.Integer(), nullable=False),
        sa.Column("log_head", sa.Text(), nullable=False),
        sa.Column("log_tail", sa.Text(), nullable=False),
        sa.Column("log_dropped", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name="fk_trial_reports_trial_id_trials", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trial_id", name="pk_trial_reports"),
    )
    op.create_table(
        "trial_progress",
        sa.Column("trial_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Double(), nullable=False),
        sa.Column("values", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name="fk_trial_progress_trial_id_trials", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trial_id", "number", name="pk_trial_progress"),
    )


def downgrade() -> None:
    op.drop_table("trial_progress")
    op.drop_table("trial_reports")
    op.drop_column("trials", "artefact")
    op.drop_column("networks", "costs")
