"""Jobs that a user stopped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision: str | None = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("stop", sa.String(10), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "stop")
