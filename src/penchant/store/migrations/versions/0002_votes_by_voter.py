"""An index by voter: how many votes somebody has given is asked for at each of them."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("ix_event_voter", "event", ["voter"])


def downgrade() -> None:
    op.drop_index("ix_event_voter", "event")
