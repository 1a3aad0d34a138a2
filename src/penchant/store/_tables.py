"""The tables, as SQLAlchemy sees them; ``migrations`` builds the same ones, and a test compares the two.

Works on SQLite and on PostgreSQL. Column names avoid SQL's words (left, right, row, input).
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_BIG = BigInteger().with_variant(Integer(), "sqlite")
_DOUBLE = Float(53)
_SHA256 = String(64)

meta = Table("meta", metadata, Column("key", String(200), primary_key=True), Column("value", Text, nullable=False))

generator_version = Table(
    "generator_version",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("kind", String(100), nullable=False),
    Column("parent", Integer, ForeignKey("generator_version.number")),
    Column("checkpoint_sha256", _SHA256, nullable=False),
    Column("config_hash", _SHA256, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("created_at", _DOUBLE, nullable=False),
    sqlite_autoincrement=True,
)

taste_version = Table(
    "taste_version",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("trained_through_seq", _BIG, nullable=False),
    Column("state_sha256", _SHA256, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("created_at", _DOUBLE, nullable=False),
    sqlite_autoincrement=True,
)

image = Table(
    "image",
    metadata,
    Column("sha256", _SHA256, primary_key=True),
    Column("png", LargeBinary, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("version", Integer, ForeignKey("generator_version.number")),
    Column("pool", Integer),
    Column("pool_row", Integer),
    Column("latent", LargeBinary),
)

query = Table(
    "query",
    metadata,
    Column("number", _BIG, primary_key=True),
    Column("left_image", _SHA256, ForeignKey("image.sha256"), nullable=False),
    Column("right_image", _SHA256, ForeignKey("image.sha256"), nullable=False),
    Column("strategy", String(200), nullable=False),
    Column("propensity", _DOUBLE, nullable=False),
    Column("audit", Boolean, nullable=False),
    Column("pool", Integer, nullable=False),
    Column("left_row", Integer, nullable=False),
    Column("right_row", Integer, nullable=False),
    Column("score", _DOUBLE),
    Column("predicted", _DOUBLE),
    Column("taste_seq", _BIG),
    Column("repeat_of", _BIG, ForeignKey("query.number")),
    Column("seed", BigInteger),
    Column("position", Integer),
    Column("created_at", _DOUBLE, nullable=False),
    sqlite_autoincrement=True,
)

event = Table(
    "event",
    metadata,
    Column("seq", _BIG, primary_key=True),
    Column("uuid", String(32), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("voter", String(200), nullable=False),
    Column("session", String(200), nullable=False),
    Column("client_key", String(200), nullable=False),
    Column("query", _BIG, ForeignKey("query.number")),
    Column("choice", String(8)),
    Column("target", _BIG, ForeignKey("event.seq")),
    Column("shown_at", _DOUBLE),
    Column("response_ms", _DOUBLE),
    Column("hidden_ms", _DOUBLE),
    Column("input_device", String(100)),
    Column("viewport", String(100)),
    Column("payload", JSON, nullable=False),
    Column("received_at", _DOUBLE, nullable=False),
    UniqueConstraint("uuid"),
    UniqueConstraint("session", "client_key"),
    UniqueConstraint("target"),
    Index("ix_event_query", "query"),
    Index("ix_event_voter", "voter"),
    sqlite_autoincrement=True,
)

current_vote = Table("current_vote", MetaData(), *(Column(column.name, column.type) for column in event.columns))
"""A view: the votes that were not retracted. In its own metadata, since ``create_all`` must not make it a table."""
