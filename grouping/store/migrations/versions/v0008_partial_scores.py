"""Scores of which only the validation loss is known: not every trainer tests, or has a metric."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"
branch_labels = None
depends_on = None

_COLUMNS = ("test_loss", "validation_metric", "test_metric")


def upgrade() -> None:
    _set_nullable(True)


def downgrade() -> None:
    _set_nullable(False)


def _set_nullable(is_nullable: bool) -> None:
    with op.batch_alter_table("scores") as table:  # SQLite copies the table, since it alters no column
        for name in _COLUMNS:
            table.alter_column(name, existing_type=sa.Double(), nullable=is_nullable)
