"""Where the outcome of a trial was copied from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("reused_from_job", "reused_from_trial"):
        op.add_column("trials", sa.Column(name, sa.String(length=32), nullable=True))


def downgrade() -> None:
    for name in ("reused_from_trial", "reused_from_job"):
        op.drop_column("trials", name)
