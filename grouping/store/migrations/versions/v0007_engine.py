"""The engine that trains the networks of a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("engine", sa.String(length=20), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "engine")
