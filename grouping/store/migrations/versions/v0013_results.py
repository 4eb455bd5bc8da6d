"""Results told from outside: where they come from, and networks whose cost is not measured yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision: str | None = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trials", sa.Column("told", sa.JSON(none_as_null=True), nullable=True))
    op.add_column(
        "networks", sa.Column("is_measured", sa.Boolean(), server_default=sa.true(), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("networks", "is_measured")
    op.drop_column("trials", "told")
