"""Imported score tables and stored groupings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("score_tables", sa.Column("imported", sa.JSON(), nullable=True))
    op.add_column("score_tables", sa.Column("idempotency_key", sa.String(length=255), nullable=True))
    op.add_column("score_tables", sa.Column("request_digest", sa.Text(), nullable=True))
    op.create_index(op.f("ix_score_tables_idempotency_key"), "score_tables", ["idempotency_key"], unique=True)
    op.add_column("networks", sa.Column("imported", sa.JSON(), nullable=True))
    op.create_table(
        "groupings",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("score_table_id", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_s", sa.Double(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("request_digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["score_table_id"],
            ["score_tables.id"],
            name=op.f("fk_groupings_score_table_id_score_tables"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groupings")),
    )
    op.create_index(
        op.f("ix_groupings_score_table_id_created_s_id"), "groupings", ["score_table_id", "created_s", "id"]
    )
    op.create_index(op.f("ix_groupings_idempotency_key"), "groupings", ["idempotency_key"], unique=True)


def downgrade() -> None:
    op.drop_table("groupings")
    op.drop_column("networks", "imported")
    op.drop_index(op.f("ix_score_tables_idempotency_key"), "score_tables")
    for name in ("request_digest", "idempotency_key", "imported"):
        op.drop_column("score_tables", name)
