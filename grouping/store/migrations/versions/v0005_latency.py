"""Measured inference latency of networks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("networks", sa.Column("latency_ms", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("networks", "latency_ms")
