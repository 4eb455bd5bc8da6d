"""How far a trial is to blame for its losses: those of machines use up no attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision: str | None = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trials", sa.Column("blame", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("trials", "blame")
