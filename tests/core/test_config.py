from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from penchant.core.config import build, dump_toml, load_toml
from penchant.core.errors import BadConfiguration, UnknownName


@dataclass(frozen=True)
class Inner:
    size: int = 32

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be positive; found {self.size}")


@dataclass(frozen=True)
class Outer:
    rate: float
    name: Literal["crop", "pad"] = "crop"
    inner: Inner = field(default_factory=Inner)
    sizes: tuple[int, ...] = ()
    pool: int | None = None


def test_build_fills_nested_dataclasses_and_widens_integers():
    made = build(Outer, {"rate": 1, "inner": {"size": 64}, "sizes": [1, 2], "pool": 5}, "here")
    assert made == Outer(1.0, "crop", Inner(64), (1, 2), 5)
    assert isinstance(made.rate, float)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"rate": 1.0, "nmae": "pad"}, UnknownName, "Did you mean 'name'?"),
        ({"rate": "fast"}, BadConfiguration, "here: rate = 'fast' is str; it must be float"),
        ({"rate": 1.0, "name": "stretch"}, BadConfiguration, "'crop', 'pad'"),
        ({"rate": 1.0, "inner": {"size": True}}, BadConfiguration, "it must be int"),
        ({"rate": 1.0, "inner": {"size": 0}}, BadConfiguration, "size must be positive; found 0"),
        ({"rate": 1.0, "inner": {"sise": 3}}, UnknownName, "size"),
        ({}, BadConfiguration, "here needs rate"),
    ],
)
def test_build_names_what_is_wrong(settings: dict[str, object], error: type[Exception], text: str):
    with pytest.raises(error, match=text.replace("?", r"\?")):
        build(Outer, settings, "here")


def test_toml_round_trip_leaves_out_none(tmp_path: Path):
    path = tmp_path / "a.toml"
    path.write_text(dump_toml({"a": 1, "b": None, "c": {"d": [1, 2], "e": None}}))
    assert load_toml(path) == {"a": 1, "c": {"d": [1, 2]}}


def test_load_toml_tells_what_is_not_toml(tmp_path: Path):
    path = tmp_path / "a.toml"
    path.write_text("a = = 1")
    with pytest.raises(BadConfiguration, match="is not TOML"):
        load_toml(path)
    with pytest.raises(BadConfiguration, match="no settings at"):
        load_toml(tmp_path / "missing.toml")
