"""The first tables: images, queries, the append-only event log, versions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DOUBLE = sa.Float(53)
_SHA256 = sa.String(64)

_CURRENT_VOTE = """
CREATE VIEW current_vote AS SELECT * FROM event WHERE kind = 'vote'
AND NOT EXISTS (SELECT 1 FROM event AS later WHERE later.kind = 'retract' AND later.target = event.seq)
"""

# INSERT OR REPLACE deletes the row in its way without firing DELETE triggers: so it has one of its own.
_APPEND_ONLY_SQLITE = (
    "CREATE TRIGGER event_no_update BEFORE UPDATE ON event "
    "BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END",
    "CREATE TRIGGER event_no_delete BEFORE DELETE ON event "
    "BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END",
    "CREATE TRIGGER event_no_replace BEFORE INSERT ON event WHEN EXISTS (SELECT 1 FROM event WHERE seq = NEW.seq) "
    "OR EXISTS (SELECT 1 FROM event WHERE uuid = NEW.uuid) OR EXISTS (SELECT 1 FROM event WHERE target = NEW.target) "
    "OR EXISTS (SELECT 1 FROM event WHERE session = NEW.session AND client_key = NEW.client_key) "
    "BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END",
)
_APPEND_ONLY_POSTGRESQL = (
    "CREATE FUNCTION event_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the event log is append-only'; END $$",
    "CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE ON event FOR EACH ROW EXECUTE FUNCTION event_append_only()",
    "CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON event FOR EACH STATEMENT EXECUTE FUNCTION event_append_only()",
)


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "generator_version",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("parent", sa.Integer()),
        sa.Column("checkpoint_sha256", _SHA256, nullable=False),
        sa.Column("config_hash", _SHA256, nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("created_at", _DOUBLE, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_generator_version"),
        sa.ForeignKeyConstraint(["parent"], ["generator_version.number"], name="fk_generator_version_parent"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "taste_version",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("trained_through_seq", _BIG, nullable=False),
        sa.Column("state_sha256", _SHA256, nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("created_at", _DOUBLE, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_taste_version"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "image",
        sa.Column("sha256", _SHA256, nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("pool", sa.Integer()),
        sa.Column("pool_row", sa.Integer()),
        sa.Column("latent", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("sha256", name="pk_image"),
        sa.ForeignKeyConstraint(["version"], ["generator_version.number"], name="fk_image_version"),
    )
    op.create_table(
        "query",
        sa.Column("number", _BIG, nullable=False),
        sa.Column("left_image", _SHA256, nullable=False),
        sa.Column("right_image", _SHA256, nullable=False),
        sa.Column("strategy", sa.String(200), nullable=False),
        sa.Column("propensity", _DOUBLE, nullable=False),
        sa.Column("audit", sa.Boolean(), nullable=False),
        sa.Column("pool", sa.Integer(), nullable=False),
        sa.Column("left_row", sa.Integer(), nullable=False),
        sa.Column("right_row", sa.Integer(), nullable=False),
        sa.Column("score", _DOUBLE),
        sa.Column("predicted", _DOUBLE),
        sa.Column("taste_seq", _BIG),
        sa.Column("repeat_of", _BIG),
        sa.Column("seed", sa.BigInteger()),
        sa.Column("position", sa.Integer()),
        sa.Column("created_at", _DOUBLE, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_query"),
        sa.ForeignKeyConstraint(["left_image"], ["image.sha256"], name="fk_query_left_image"),
        sa.ForeignKeyConstraint(["right_image"], ["image.sha256"], name="fk_query_right_image"),
        sa.ForeignKeyConstraint(["repeat_of"], ["query.number"], name="fk_query_repeat_of"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "event",
        sa.Column("seq", _BIG, nullable=False),
        sa.Column("uuid", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("voter", sa.String(200), nullable=False),
        sa.Column("session", sa.String(200), nullable=False),
        sa.Column("client_key", sa.String(200), nullable=False),
        sa.Column("query", _BIG),
        sa.Column("choice", sa.String(8)),
        sa.Column("target", _BIG),
        sa.Column("shown_at", _DOUBLE),
        sa.Column("response_ms", _DOUBLE),
        sa.Column("hidden_ms", _DOUBLE),
        sa.Column("input_device", sa.String(100)),
        sa.Column("viewport", sa.String(100)),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("received_at", _DOUBLE, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_event"),
        sa.ForeignKeyConstraint(["query"], ["query.number"], name="fk_event_query"),
        sa.ForeignKeyConstraint(["target"], ["event.seq"], name="fk_event_target"),
        sa.UniqueConstraint("uuid", name="uq_event_uuid"),
        sa.UniqueConstraint("session", "client_key", name="uq_event_session_client_key"),
        sa.UniqueConstraint("target", name="uq_event_target"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_query", "event", ["query"])
    op.execute(_CURRENT_VOTE)
    on_postgresql = op.get_context().dialect.name == "postgresql"
    for statement in _APPEND_ONLY_POSTGRESQL if on_postgresql else _APPEND_ONLY_SQLITE:
        op.execute(statement)
