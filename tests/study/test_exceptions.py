"""Where a taste is wrong: slips are found among the votes, and images that its words would praise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from penchant.core.contracts import FEATURES, PREFERENCE, Choice, Extractor, Posterior, PriorTaste
from penchant.core.rng import Rng
from penchant.data import draw_pictures, to_float
from penchant.store import Event, Query
from penchant.study import Study, vote, write_report
from penchant.study.exceptions import disagreements, praised_in_vain
from penchant.study.portrait import portray
from penchant.study.taste import Taste, View

from .test_answers import PLAIN

SLIPS = {20, 45}


@pytest.fixture(scope="module")
def seen() -> tuple[Extractor, np.ndarray]:
    images = to_float(draw_pictures(300, 32, Rng(0)).images)
    extractor: Extractor = FEATURES.make("descriptors").fit(images, None, Rng(0))
    with torch.no_grad():
        return extractor, extractor(images).numpy().astype(np.float64)


def warmth(seen: tuple[Extractor, np.ndarray]) -> np.ndarray:
    extractor, features = seen
    names = [name for group in extractor.groups for name in group.names]
    return features[:, names.index("warmth")]


def untaught(extractor: Extractor, features: np.ndarray, queries: dict[int, Query]) -> Taste:
    def prior(known: PriorTaste | None) -> Posterior:
        return PREFERENCE.make("linear").prior(extractor.groups, known)

    view = View(prior, lambda _, row: features[row])
    return Taste(lambda _: view, lambda number: queries[number], lambda _: PriorTaste(np.zeros(1)))


def taught(seen: tuple[Extractor, np.ndarray], extra: dict[int, tuple[Query, Choice]] | None = None) -> Taste:
    """120 votes for the warmer of two, but for the slips, which prefer by far the colder image."""
    extractor, features = seen
    warm = warmth(seen)
    order = np.argsort(warm)
    pairs = [(int(row), int(row) + 150) for row in range(120)]
    for place, slip in enumerate(sorted(SLIPS)):
        pairs[slip] = (int(order[-1 - place]), int(order[place]))
    queries = {n: (_query(n, *pair), _warmer(warm, n, *pair)) for n, pair in enumerate(pairs)} | (extra or {})
    taste = untaught(extractor, features, {number: query for number, (query, _) in queries.items()})
    for seq, (number, (_, choice)) in enumerate(queries.items(), 1):
        taste.apply(_event(seq, "vote", number, choice))
    taste.apply(_event(len(queries) + 1, "refit", None, None))
    return taste


def _query(number: int, left: int, right: int, repeat_of: int | None = None) -> Query:
    return replace(PLAIN, number=number, left_row=left, right_row=right, repeat_of=repeat_of)


def _warmer(warm: np.ndarray, number: int, left: int, right: int) -> Choice:
    return Choice.LEFT if (warm[left] > warm[right]) != (number in SLIPS) else Choice.RIGHT


def _event(seq: int, kind: str, query: int | None, choice: Choice | None) -> Event:
    return Event(seq, "u", kind, "me", "s", str(seq), query, choice, None, None, None, None, None, None, {}, 0.0)


def test_slips_are_what_the_taste_finds_least_likely(seen: tuple[Extractor, np.ndarray]):
    taste = taught(seen)
    count, found = disagreements(taste)
    rows = {frozenset((one.chosen[1], one.other[1])) for one in found[:2]}
    expected = {frozenset((taste.query(n).left_row, taste.query(n).right_row)) for n in SLIPS}
    assert rows == expected
    assert 2 <= count < 20
    assert all(one.chance < 0.5 for one in found)
    assert [one.chance for one in found] == sorted(one.chance for one in found)
    assert warmth(seen)[found[0].chosen[1]] < warmth(seen)[found[0].other[1]]
    assert "A slip, or an exception." in found[0].sentence


@pytest.mark.parametrize(("stays", "said"), [(True, "an exception, no slip"), (False, "a slip, or too close to call")])
def test_a_pair_asked_again_tells_slips_from_exceptions(seen: tuple[Extractor, np.ndarray], stays: bool, said: str):
    first = taught(seen)
    slip = first.query(20)
    chose = first.votes[21][1]
    second = _query(500, slip.right_row, slip.left_row, repeat_of=20)
    taste = taught(seen, {500: (second, chose.swapped if stays else chose)})
    _, found = disagreements(taste, most=130)
    pair = {slip.left_row, slip.right_row}
    (asked_twice,) = [one for one in found if {one.chosen[1], one.other[1]} == pair]
    assert asked_twice.again is stays
    assert said in asked_twice.sentence


def test_images_that_words_praise_and_votes_do_not_are_those_of_the_slips(seen: tuple[Extractor, np.ndarray]):
    taste, (extractor, features) = taught(seen), seen
    portrait = portray(taste.posterior, extractor, features, Rng(0))
    assert any(pull.clear for pull in portrait.pulls)
    found = praised_in_vain(taste, portrait, extractor, features, most=50)
    losers = {taste.query(n).left_row if _is_left(taste, n) else taste.query(n).right_row for n in SLIPS}
    assert losers & {one.image[1] for one in found}
    assert all(one.lost >= 1 for one in found)


def _is_left(taste: Taste, number: int) -> bool:
    """Whether the loser of a vote stood left."""
    return taste.votes[number + 1][1] is Choice.RIGHT


def test_nothing_contradicts_no_votes_and_no_words(seen: tuple[Extractor, np.ndarray]):
    extractor, features = seen
    empty = untaught(extractor, features, {})
    portrait = portray(empty.posterior, extractor, features, Rng(0))
    assert disagreements(empty) == (0, ())
    assert praised_in_vain(empty, portrait, extractor, features) == ()


def test_the_report_shows_counter_examples_once_the_taste_is_clear(study: Study):
    vote(study, "warm(lapse=0.1)", 70)
    study.refit(force=True)
    page = write_report(study).read_text()
    assert ("Where it is wrong" in page) == ("No clear taste yet" not in page)
    assert "Are the votes enough?" in page
