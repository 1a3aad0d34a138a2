import numpy as np
import pytest
import torch

from penchant.core.contracts import FEATURES, PREFERENCE, Choice, Extractor, Posterior, Votes
from penchant.core.rng import Rng
from penchant.data import draw_pictures, to_float
from penchant.study.portrait import Standing, portray


@pytest.fixture(scope="module")
def seen() -> tuple[Extractor, np.ndarray]:
    images = to_float(draw_pictures(300, 32, Rng(0)).images)
    extractor: Extractor = FEATURES.make("descriptors").fit(images, None, Rng(0))
    with torch.no_grad():
        return extractor, extractor(images).numpy().astype(np.float64)


def prior(extractor: Extractor) -> Posterior:
    return PREFERENCE.make("linear").prior(extractor.groups)


def column(extractor: Extractor, name: str) -> int:
    names = [name for group in extractor.groups for name in group.names]
    return names.index(name)


def test_portrait_tells_the_quality_that_was_voted_for(seen: tuple[Extractor, np.ndarray]):
    extractor, features = seen
    warmth = features[:, column(extractor, "warmth")]
    left, right = features[:150], features[150:]
    choices = [Choice.LEFT if a < b else Choice.RIGHT for a, b in zip(warmth[:150], warmth[150:], strict=True)]
    portrait = portray(prior(extractor).refit(Votes(left, right, choices)), extractor, features, Rng(0))
    first = portrait.pulls[0]
    assert first.clear
    assert first.correlation * first.interval[0] > 0
    assert "cool" in portrait.sentence or first.group.endswith(("colour", "hues"))


def test_portrait_says_no_more_than_came_true(seen: tuple[Extractor, np.ndarray]):
    extractor, features = seen
    warmth = features[:, column(extractor, "warmth")]
    choices = [Choice.LEFT if a < b else Choice.RIGHT for a, b in zip(warmth[:150], warmth[150:], strict=True)]
    belief = prior(extractor).refit(Votes(features[:150], features[150:], choices))
    told = {one: portray(belief, extractor, features, Rng(0), standing=one) for one in Standing}
    assert told[Standing.CONFIRMED].sentence.startswith("You like images that are")
    assert told[Standing.OPEN].sentence.startswith("You may like images that are")
    assert told[Standing.DOUBTED].sentence.startswith("No clear taste yet")
    assert not any(pull.clear for pull in told[Standing.DOUBTED].pulls)


def test_portrait_claims_nothing_without_votes(seen: tuple[Extractor, np.ndarray]):
    extractor, features = seen
    portrait = portray(prior(extractor), extractor, features, Rng(0))
    assert not any(pull.clear for pull in portrait.pulls)
    assert portrait.sentence.startswith("No clear taste yet")


def test_portrait_claims_nothing_of_a_coin_tosser(seen: tuple[Extractor, np.ndarray]):
    extractor, features = seen
    tosses = Rng(3).numpy().random(60) < 0.5
    choices = [Choice.LEFT if toss else Choice.RIGHT for toss in tosses]
    belief = prior(extractor).refit(Votes(features[:60], features[60:120], choices))
    portrait = portray(belief, extractor, features, Rng(0))
    assert sum(pull.clear for pull in portrait.pulls) <= 1


def test_portrait_tells_of_a_change_of_mind_while_it_is_news(seen: tuple[Extractor, np.ndarray]):
    extractor, features = seen
    warmth, rng = features[:, column(extractor, "warmth")], Rng(1).numpy()
    left, right = rng.integers(0, len(features), (2, 240))

    def told(votes: int) -> str:
        cooler = warmth[left[:votes]] < warmth[right[:votes]]
        warmer_at_first = np.where(np.arange(votes) < 60, ~cooler, cooler)
        choices = [Choice.LEFT if won else Choice.RIGHT for won in warmer_at_first]
        belief = prior(extractor).refit(Votes(features[left[:votes]], features[right[:votes]], choices))
        assert (belief.change is None) == (votes == 60)
        return portray(belief, extractor, features, Rng(0)).sentence

    assert told(90).startswith("Your taste seems to have changed about 30 votes ago")
    assert "changed" not in told(60)
    assert "changed" not in told(240)
