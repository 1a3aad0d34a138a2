"""Real people: ratings turned into answers to pairs, features of what was rated, and what the other people think."""

import csv
import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, combinations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image

from penchant.bench._taste_sets import pack_path
from penchant.core.contracts import FEATURES, Choice, Group
from penchant.core.rng import Rng

PEOPLE = ("patterns", "oasis")


@dataclass(frozen=True, eq=False)
class Crowd:
    """Items with features, and who rated which how; ``ratings`` has NaN where somebody did not rate."""

    name: str
    features: Float[np.ndarray, "n d"]
    groups: Sequence[Group]
    ratings: Float[np.ndarray, "v n"]
    again: Float[np.ndarray, "v n"]

    def rated(self, person: int) -> Int[np.ndarray, " k"]:
        """What the person rated."""
        return np.flatnonzero(np.isfinite(self.ratings[person]))

    def answer(self, person: int, left: int, right: int) -> Choice:
        """Which of two the person rated higher."""
        difference = self.ratings[person, left] - self.ratings[person, right]
        return Choice.TIE if difference == 0 else Choice.LEFT if difference > 0 else Choice.RIGHT

    @cached_property
    def scores(self) -> Float[np.ndarray, "v n"]:
        """Every person's ratings standardised over what the person rated."""
        means, spreads = np.nanmean(self.ratings, axis=1), np.nanstd(self.ratings, axis=1)
        return (self.ratings - means[:, None]) / np.maximum(spreads, 1e-6)[:, None]

    def others(self, *left_out: int) -> Float[np.ndarray, " n"]:
        """The mean score of every item among all people but these; 0 where nobody else rated it.

        It is drawn towards 0 as if three more people had found it average, and standardised over the items.
        """
        scores = np.delete(self.scores, left_out, axis=0)
        found = np.isfinite(scores)
        mean = np.where(found, scores, 0).sum(0) / (found.sum(0) + 3)
        return mean / max(float(mean.std()), 1e-6)

    def with_others(self, *left_out: int) -> "Crowd":
        """The same with the mean score among all people but these as a group of one column, the last."""
        column = self.others(*left_out)[:, None].astype(self.features.dtype)
        width = self.features.shape[1]
        groups = (*self.groups, Group("others", width, width + 1))
        return replace(self, features=np.concatenate([self.features, column], axis=1), groups=groups)

    def consistency(self) -> tuple[float, int]:
        """How often a person orders two items the same way when rating them again, and of how many pairs."""
        same = count = 0
        for first, second in zip(self.ratings, self.again, strict=True):
            for a, b in combinations(np.flatnonzero(np.isfinite(second)), 2):
                once, twice = first[a] - first[b], second[a] - second[b]
                if once != 0 and twice != 0:
                    same, count = same + int((once > 0) == (twice > 0)), count + 1
        return (same / count if count else float("nan")), count


def crowd(name: str, packs: str | None) -> Crowd:
    """The people called ``patterns`` or ``oasis``; raises BadImages where their pack is missing."""
    return _patterns(packs) if name == "patterns" else _oasis(packs)


def _patterns(packs: str | None) -> Crowd:
    """80 people who rated 54 of 216 black-and-white patterns of 15 × 15 for beauty."""
    with zipfile.ZipFile(pack_path("preferences/binary_patterns_beauty.zip", packs)) as archive:
        names = [row["image"] for row in _table(archive, "items.csv")]
        cells = np.stack([_cells(archive.read(f"images/{name}")) for name in names])
        rows = _table(archive, "ratings.csv")
    places, people = {name: i for i, name in enumerate(names)}, sorted({row["voter"] for row in rows})
    first, again = np.full((2, len(people), len(names)), np.nan)
    for row in rows:
        at = people.index(row["voter"]), places[row["image"]]
        (again if np.isfinite(first[at]) else first)[at] = float(row["beauty"])
    features, groups = pattern_features(cells)
    return Crowd("patterns", features, groups, first, again)


def _oasis(packs: str | None) -> Crowd:
    """757 people who rated 225 of 900 photographs, which are not there: category, valence and arousal are."""
    with zipfile.ZipFile(pack_path("preferences/oasis_beauty_votes.zip", packs)) as archive:
        items, rows = _table(archive, "items.csv"), _table(archive, "ratings.csv")
    people = {name: i for i, name in enumerate(sorted({row["voter"] for row in rows}))}
    places = {row["item"]: i for i, row in enumerate(items)}
    ratings = np.full((len(people), len(items)), np.nan)
    for row in rows:
        ratings[people[row["voter"]], places[row["item"]]] = float(row["beauty"])
    feeling = _standard(np.array([[float(row["Valence_mean"]), float(row["Arousal_mean"])] for row in items]))
    kinds = sorted({row["Category"] for row in items})
    kind = np.array([[float(row["Category"] == name) for name in kinds] for row in items])
    product = feeling[:, :1] * feeling[:, 1:]
    features, groups = _grouped(
        {"feeling": feeling, "category": _standard(kind), "extremes": _standard(np.hstack([feeling**2, product]))}
    )
    return Crowd("oasis", features, groups, ratings, np.full_like(ratings, np.nan))


def pattern_features(cells: Bool[np.ndarray, "n 15 15"]) -> tuple[Float[np.ndarray, "n d"], Sequence[Group]]:
    """Descriptors of the enlarged pattern; its own symmetries, neighbourhoods and order; and coarse pixels."""
    big = torch.from_numpy(cells.repeat(2, 1).repeat(2, 2)[:, None].astype(np.float32))
    extractor = FEATURES.make("descriptors").fit(big, None, Rng(0))
    with torch.no_grad():
        described = extractor(big).numpy().astype(np.float64)
    turned = (
        cells[:, :, ::-1], cells[:, ::-1], cells[:, ::-1, ::-1], cells.transpose(0, 2, 1),
        np.rot90(cells, 1, (1, 2)), np.rot90(cells, 2, (1, 2)).transpose(0, 2, 1),
    )  # fmt: skip
    symmetries = np.stack([(cells == other).mean((1, 2)) for other in turned], axis=1)
    symmetries = np.hstack([symmetries, symmetries.max(1, keepdims=True)])
    steps = [(0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 2)]
    likeness = np.stack([(cells[:, i:, j:] == cells[:, : 15 - i, : 15 - j]).mean((1, 2)) for i, j in steps], axis=1)
    order = np.array([[_block_entropy(one, 2), _block_entropy(one, 3), _packed(one), one.mean()] for one in cells])
    _, _, axes = np.linalg.svd(cells.reshape(len(cells), -1) - cells.reshape(len(cells), -1).mean(0))
    pixels = cells.reshape(len(cells), -1) @ axes[:8].T
    own = {
        "symmetries": symmetries, "neighbours": likeness, "order": np.hstack([order, (order[:, -1:] - 0.5) ** 2]),
        "pixels": pixels,
    }  # fmt: skip
    features, groups = _grouped({name: _standard(columns) for name, columns in own.items()})
    width = described.shape[1]
    shifted = (Group(group.name, group.start + width, group.stop + width) for group in groups)
    return np.hstack([described, features]), (*extractor.groups, *shifted)


def _grouped(columns: dict[str, Float[np.ndarray, "n d"]]) -> tuple[Float[np.ndarray, "n d"], tuple[Group, ...]]:
    stops = list(accumulate(part.shape[1] for part in columns.values()))
    named = zip(columns.items(), stops, strict=True)
    groups = tuple(Group(name, stop - part.shape[1], stop) for (name, part), stop in named)
    return np.hstack(list(columns.values())), groups


def _standard(columns: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    return (columns - columns.mean(0)) / np.maximum(columns.std(0), 1e-6)


def _block_entropy(cells: Bool[np.ndarray, "15 15"], side: int) -> float:
    """Of the kinds of side × side blocks, in nats."""
    blocks = np.lib.stride_tricks.sliding_window_view(cells, (side, side)).reshape(-1, side * side)
    counts = np.unique(blocks @ (1 << np.arange(side * side)), return_counts=True)[1] / len(blocks)
    return float(-(counts * np.log(counts)).sum())


def _packed(cells: Bool[np.ndarray, "15 15"]) -> float:
    return float(len(zlib.compress(cells.astype(np.uint8).tobytes(), 9)))


def _cells(data: bytes) -> Bool[np.ndarray, "15 15"]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L")) > 127


def _table(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8-sig"))))
