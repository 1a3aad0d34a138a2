"""The benchmark of the studio: what it counts and when it refuses; the processes themselves are in tests/studio."""

import asyncio

import pytest

from penchant.bench._studio_votes import Load
from penchant.bench.studio import Studio
from penchant.core.errors import BadConfiguration


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"parts": ("votes", "paintings")}, "found paintings"),
        ({"parts": ()}, "parts are votes"),
        ({"voters": 0}, "must be positive"),
        ({"kills": 20, "killed": 20}, "killed above kills"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(BadConfiguration, match=words):
        Studio(**settings)  # pyright: ignore[reportArgumentType]


def test_every_voter_answers_every_pair_once() -> None:
    asked: list[tuple[str, int]] = []

    class Counting:
        def __init__(self, name: str):
            self.name = name

        async def ask(self, _method: str, _path: str, body: dict[str, int], **headers: str) -> object:
            asked.append((headers["Idempotency_Key"], body["query"]))
            return type("Answer", (), {"status": 201, "body": b""})

    async def everybody() -> tuple[list[float], list[str]]:
        waits: list[float] = []
        keys: list[str] = []
        load = Load(voters=3, votes=4)
        for place in range(3):
            await load._vote(Counting(f"{place}"), place, [7, 8, 9, 10], waits, keys)  # pyright: ignore[reportArgumentType]
        return waits, keys

    waits, keys = asyncio.run(everybody())
    assert len(waits) == len(set(keys)) == 12
    assert sorted(query for _, query in asked) == sorted([7, 8, 9, 10] * 3)
