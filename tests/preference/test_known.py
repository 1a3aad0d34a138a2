"""How far others can be trusted, and tastes that leave their study."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

from penchant.core.contracts import FEATURES, PREFERENCE, Choice, Encoder, PriorTaste, Votes
from penchant.core.errors import BadConfiguration, NotReady, StudyDamaged, StudyMissing
from penchant.core.rng import Rng
from penchant.data import draw_pictures, to_float
from penchant.preference import PortableTaste, blended, trusted
from penchant.voters import load_voter


def person(factor: float, votes: int, seed: int) -> Votes:
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(2, votes, 1))
    chances = expit(factor * (left - right)[:, 0])
    return Votes(left, right, [Choice.LEFT if rng.random() < p else Choice.RIGHT for p in chances])


def test_trust_and_doubt_are_found():
    factors = np.random.default_rng(0).normal(1.2, 0.5, 60)
    people = [person(factor, 80, seed) for seed, factor in enumerate(factors)]
    trust, doubt = trusted([np.ones(1)] * 60, people)
    assert abs(trust - 1.2) < 0.2
    assert abs(doubt - 0.5) < 0.2


def test_a_taste_that_says_nothing_of_others_is_not_trusted():
    trust, _ = trusted([np.ones(1)] * 30, [person(0.0, 40, seed) for seed in range(30)])
    assert trust < 0.15


def test_without_others_there_is_a_default():
    assert trusted([], []) == (PriorTaste.trust, PriorTaste.doubt)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return to_float(draw_pictures(500, 32, Rng(3)).images)


def learned(images: torch.Tensor, taste: str, features: str = "descriptors", encoder: Encoder | None = None):
    extractor = FEATURES.make(features).fit(images, encoder, Rng(0))
    with torch.no_grad():
        seen = extractor(images).double().numpy()
    utility = load_voter(taste, images).utility(images)
    assert utility is not None
    rng = np.random.default_rng(0)
    left, right = rng.integers(len(images), size=(2, 80))
    choices = [Choice.LEFT if a > b else Choice.RIGHT for a, b in zip(utility[left], utility[right], strict=True)]
    return PREFERENCE.make("linear").prior(extractor.groups).refit(Votes(seen[left], seen[right], choices)), extractor


def test_a_taste_is_the_same_after_saving(images: torch.Tensor, tmp_path: Path):
    posterior, extractor = learned(images, "warm")
    taste = PortableTaste.of(posterior, extractor, images, {"votes": 80})
    taste.save_pretrained(tmp_path / "taste")
    again = PortableTaste.from_pretrained(tmp_path / "taste")
    with torch.no_grad():
        mean, sd = posterior.utility(extractor(images).double().numpy())
    for one in (taste, again):
        found_mean, found_sd = one.utility(images)
        np.testing.assert_allclose(found_mean, mean, atol=1e-9)
        np.testing.assert_allclose(found_sd, sd, atol=1e-6)
    assert again.provenance == taste.provenance
    assert again.provenance["votes"] == 80
    assert again.known(extractor, images)[1] == 1.0


def test_a_taste_moves_to_other_features(images: torch.Tensor):
    posterior, extractor = learned(images, "warm")
    taste = PortableTaste.of(posterior, extractor, images)
    others = to_float(draw_pictures(500, 32, Rng(9)).images)
    fitted = FEATURES.make("descriptors").fit(others[:250], None, Rng(1))
    known, expressed = taste.known(fitted, others)
    assert expressed > 0.99
    with torch.no_grad():
        told = fitted(others).double().numpy()[:, : len(known.weights)] @ known.weights
    assert np.corrcoef(told, taste.utility(others)[0])[0, 1] > 0.99


def test_features_of_a_generator_are_replaced(images: torch.Tensor):
    def encoder(batch: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(batch, 8).flatten(1)

    posterior, extractor = learned(images, "warm", "latents", encoder)
    taste = PortableTaste.of(posterior, extractor, images)
    with torch.no_grad():
        wanted = posterior.mean(extractor(images).double().numpy())
    assert np.corrcoef(wanted, taste.utility(images)[0])[0, 1] > 0.95
    assert taste.provenance["expressed"] > 0.8


def test_a_blend_lies_between(images: torch.Tensor):
    tastes = [PortableTaste.of(*learned(images, name), images) for name in ("warm", "high_contrast")]
    blend = blended(tastes, [0.5, 0.5], images)
    mixed = blend.utility(images)[0]
    singles = [taste.utility(images)[0] for taste in tastes]
    both = sum(utility / utility.std() for utility in singles)
    assert np.corrcoef(mixed, both)[0, 1] > 0.9999
    alone = blended(tastes, [1.0, 0.0], images).utility(images)[0]
    assert np.corrcoef(alone, singles[0])[0, 1] > 0.9999
    against = blended(tastes, [0.0, -1.0], images).utility(images)[0]
    assert np.corrcoef(against, singles[1])[0, 1] < -0.9999
    assert float(blend.reward(images, 0.5)(images).std()) == pytest.approx(1, abs=0.01)


def test_a_blend_of_nothing_is_told(images: torch.Tensor):
    posterior, extractor = learned(images, "warm")
    taste = PortableTaste.of(posterior, extractor, images)
    empty = PortableTaste.of(PREFERENCE.make("linear").prior(extractor.groups), extractor, images)
    with pytest.raises(BadConfiguration, match="one share"):
        blended([taste], [0.5, 0.5], images)
    with pytest.raises(BadConfiguration, match="not all 0; found 0"):
        blended([taste], [0.0], images)
    with pytest.raises(NotReady, match="taste 2"):
        blended([taste, empty], [0.5, 0.5], images)


def test_what_is_no_taste_is_told(images: torch.Tensor, tmp_path: Path):
    with pytest.raises(StudyMissing, match="taste export"):
        PortableTaste.from_pretrained(tmp_path)
    posterior, extractor = learned(images, "warm")
    extractor.save_pretrained(tmp_path / "features")
    with pytest.raises(StudyDamaged, match="not a taste"):
        PortableTaste.from_pretrained(tmp_path / "features")
    PortableTaste.of(posterior, extractor, images).save_pretrained(tmp_path / "taste")
    broken = PortableTaste(extractor, np.full(extractor.width, np.nan), np.eye(extractor.width))
    broken.save_pretrained(tmp_path / "nan")
    with pytest.raises(StudyDamaged, match="finite"):
        PortableTaste.from_pretrained(tmp_path / "nan")
    (tmp_path / "taste" / "taste.safetensors").write_bytes(b"broken")
    with pytest.raises(StudyDamaged, match="whole taste"):
        PortableTaste.from_pretrained(tmp_path / "taste")


def test_a_blend_counts_as_its_shares_say(images: torch.Tensor):
    tastes = [PortableTaste.of(*learned(images, name), images) for name in ("warm", "high_contrast")]
    alone = blended(tastes, [1.0, 0.0], images).utility(images)[0]
    assert alone.std() == pytest.approx(tastes[0].utility(images)[0].std(), rel=1e-6)
    with pytest.raises(NotReady, match="cancel each other"):
        blended([tastes[0], tastes[0]], [1.0, -1.0], images)
    with pytest.raises(BadConfiguration, match="must be finite and not all 0; found 1, nan"):
        blended(tastes, [1.0, float("nan")], images)


def test_a_taste_says_what_it_is_about(images: torch.Tensor):
    about = PortableTaste.of(*learned(images, "warm"), images).provenance["about"]
    assert sum(about.values()) == pytest.approx(1)
    assert about["colour"] + about["hues"] > 0.4


def test_uncertainty_is_not_lost_with_the_features(images: torch.Tensor):
    def encoder(batch: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(batch, 8).flatten(1)

    posterior, extractor = learned(images, "warm", "latents", encoder)
    taste = PortableTaste.of(posterior, extractor, images)
    with torch.no_grad():
        own = posterior.utility(extractor(images).double().numpy())[1]
    assert (taste.utility(images)[1] ** 2).mean() > 0.95 * (own**2).mean()
