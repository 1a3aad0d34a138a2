"""Small images, pairs and an empty store, in SQLite and in PostgreSQL."""

import io
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from PIL import Image
from tests.postgresql import cluster

from penchant.bench._postgresql import Cluster
from penchant.store import ImageRecord, NewQuery, Store

MakeQuery = Callable[..., NewQuery]
_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def new_database(postgresql: Cluster) -> str:
    """The URL of an empty database."""
    return postgresql.create(f"study_{next(_NUMBERS)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = request.getfixturevalue("new_database") if request.param == "postgresql" else None
    with Store.create(tmp_path / "study", url) as opened:
        yield opened


@pytest.fixture
def record() -> Callable[[int], ImageRecord]:
    """An image that differs with its number."""

    def make(number: int) -> ImageRecord:
        buffer = io.BytesIO()
        Image.new("RGB", (4, 6), (number % 256, number // 256 % 256, 7)).save(buffer, "PNG")
        return ImageRecord(buffer.getvalue(), pool=1, row=number, latent=bytes(8))

    return make


@pytest.fixture
def pair(record: Callable[[int], ImageRecord]) -> MakeQuery:
    """A pair of images ``2·number`` and ``2·number + 1``; keywords change the other columns."""

    def make(number: int = 1, **columns: object) -> NewQuery:
        left, right = record(2 * number), record(2 * number + 1)
        values = {"pool": 1, "left_row": 2 * number, "right_row": 2 * number + 1, "strategy": "eubo", "propensity": 0.1}
        return NewQuery(left, right, **(values | columns))  # pyright: ignore[reportArgumentType]

    return make
