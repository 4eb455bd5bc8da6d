"""Affinities that joint runs measure."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "trials",
        sa.Column("measures_affinity", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "joint_affinities",
        sa.Column("trial_id", sa.String(length=32), nullable=False),
        sa.Column("n_steps", sa.Integer(), nullable=False),
        sa.Column("affinities", sa.JSON(), nullable=False),
        sa.Column("sample_overlap", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_joint_affinities_trial_id_trials"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trial_id", name=op.f("pk_joint_affinities")),
    )


def downgrade() -> None:
    op.drop_table("joint_affinities")
    op.drop_column("trials", "measures_affinity")
