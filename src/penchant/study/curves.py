"""The two curves of a report: what was learned vote by vote, and what strength costs in variety."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float

from penchant.core.contracts import METRICS, Choice, FeatureReward, Reward, Strength, Voter
from penchant.data import to_float, to_uint8
from penchant.metrics import wilson
from penchant.study.pool import Pool
from penchant.study.study import Study

_PAIRS = 600


def accuracy_over_votes(study: Study, voter: Voter | None) -> list[dict[str, float]]:
    """Rows {votes, accuracy, low, high}, by replaying the log.

    Where the hidden taste is known: accuracy on the same fresh pairs after every few votes. Else: the share of votes
    so far (pairs asked again left out) that were predicted before they were given, which is lower, since active
    strategies ask what is unsure.
    """
    if voter is not None:
        images = study.generator("base").sample(2 * _PAIRS, study.rng.child("curve"))
        hidden = voter.utility(images)
        if hidden is not None:
            return list(_against_hidden(study, images, hidden))
    return list(_against_votes(study))


def best_of_n_frontier(study: Study, sizes: tuple[int, ...] = (1, 4, 16)) -> list[dict[str, float]]:
    """Rows {n, kl_nats, reward, vendi} of keeping the best of N base images: what any alignment is held against.

    The pool is cut into groups that share no image, one winner each, so that no image counts twice.
    """
    pool = study.pool("base")
    rewards = _rewards(study.reward(), pool)
    rng = study.rng.child("frontier").numpy()
    rows: list[dict[str, float]] = []
    for size in sizes:
        count = images_compared(study)
        drawn = rng.permutation(len(pool))[: count * size].reshape(count, size)
        best = drawn[np.arange(count), rewards[drawn].argmax(axis=1)]
        kl = Strength(size).target_kl
        rows.append(
            {"n": size, "kl_nats": kl, "reward": float(rewards[best].mean()), "vendi": _vendi(study, pool.images[best])}
        )
    return rows


def images_compared(study: Study) -> int:
    """How many images each point of the chart rests on, the same for all."""
    return max(1, len(study.pool("base")) // 16)


def version_point(study: Study, number: int) -> dict[str, float]:
    """{version, kl_nats, reward, vendi} of one version, on as many fresh images as the best-of-N points have."""
    images = study.generator(number).sample(images_compared(study), study.rng.child("frontier", "version"))
    with torch.no_grad():
        reward = float(study.reward()(images).mean())
    kl = float(study.versions.named(number).figures.get("kl_nats", 0.0))
    return {"version": number, "kl_nats": kl, "reward": reward, "vendi": _vendi(study, to_uint8(images))}


def _vendi(study: Study, images: np.ndarray) -> float:
    with torch.no_grad():
        features = study.judge(to_float(np.asarray(images))).numpy().astype(np.float64)
    return METRICS.make("vendi").measure(features, features, features, study.judge.hash, np.random.default_rng(0)).value


def _rewards(reward: Reward, pool: Pool) -> Float[np.ndarray, " n"]:
    """Of every candidate; from the features the pool is kept with, where the reward is one of features."""
    with torch.no_grad():
        if isinstance(reward, FeatureReward):
            parts = [reward.of_features(torch.from_numpy(part.astype(np.float32))) for part in _parts(pool.features)]
        else:
            parts = [reward(to_float(np.asarray(part))) for part in _parts(pool.images)]
        return torch.cat(parts).numpy()


def _parts(images: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(images), 512):
        yield images[start : start + 512]


def _against_hidden(study: Study, images: torch.Tensor, hidden: np.ndarray) -> Iterator[dict[str, float]]:
    seen: dict[int, np.ndarray] = {}
    truth = hidden[:_PAIRS] > hidden[_PAIRS:]
    votes = len(study.taste.votes)
    every = max(1, votes // 12)
    taste = study.untaught_taste()
    last = -1
    for event in study.store.events():
        taste.apply(event)
        count = len(taste.votes)
        if count != last and count and (count % every == 0 or count == votes):
            last = count
            if taste.learned not in seen:
                with torch.no_grad():
                    seen[taste.learned] = study.extractors[taste.learned](images).numpy().astype(np.float64)
            features = seen[taste.learned]
            right = int(((taste.posterior.predict(features[:_PAIRS], features[_PAIRS:]) > 0.5) == truth).sum())
            low, high = wilson(right, _PAIRS)
            yield {"votes": count, "accuracy": right / _PAIRS, "low": low, "high": high}


def _against_votes(study: Study) -> Iterator[dict[str, float]]:
    decided = [
        (query.predicted > 0.5) == (choice is Choice.LEFT)
        for query, choice in study.taste.votes.values()
        if query.predicted is not None and choice in (Choice.LEFT, Choice.RIGHT) and query.repeat_of is None
    ]
    for count in sorted({*range(5, len(decided), max(1, len(decided) // 12)), len(decided)} - {0}):
        right = sum(decided[:count])
        low, high = wilson(right, count)
        yield {"votes": count, "accuracy": right / count, "low": low, "high": high}
