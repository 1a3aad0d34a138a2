"""Knowing when to stop: what the votes have shown, what further votes can bring, and what nobody can know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from penchant.core.contracts import Choice, Posterior
from penchant.study.answers import Answers, Consistency, Share, audit_accuracy, consistency, evidence
from penchant.study.portrait import Standing

_IMAGES = 200
_DRAWS = 200
_POINTS, _MASSES = np.polynomial.hermite_e.hermegauss(16)

_CONVINCING = log(100)
"""Evidence that a coin-tosser reaches in one study of a hundred, at most."""

_CREDIBLE = log(20)
"""The same in one of twenty."""

_HARDLY = 0.005
"""Expected gain of 50 votes below which it is enough: what is gained then stays below one point (measured)."""

_LEAST_FOR_DOUBT, _LEAST_PROOF = 60, 1.0
_LIKE_CHANCE = 0.6
_LEAST_REPEATS = 5


@dataclass(frozen=True)
class Outlook:
    """What the belief says of itself on a sample of the pool.

    ``order`` is the expected share of random pairs whose order it has right; ``gains`` by how much that grows with so
    many further votes; ``information`` (mean, best) what a vote on a pair is expected to tell, in nats; ``regret`` by
    how many standard deviations of the utility the image believed best falls short of the best one.
    """

    order: float
    gains: Mapping[int, float]
    information: tuple[float, float]
    regret: float


def outlook(
    posterior: Posterior, features: Float[np.ndarray, "n d"], rng: np.random.Generator, ahead: Sequence[int] = (20, 50)
) -> Outlook:
    """Imagine ``ahead`` further votes on the pairs that tell most, and how well random pairs would then be ordered.

    Of a pair with utility difference N(δ, v) the order is right with probability Φ(|δ|/√v). A vote that tells I nats
    about its pair narrows the joint covariance C as a Gaussian observation with the same information does,
    C ← C − cc'(1 − e^(−2I))/v with c = C(e_a − e_b); the votes after it may move δ by N(0, v − v'), so the order will
    be right with probability E Φ(|δ'|/√v'). All pairs of up to 200 of the images; about 0.1 s.
    """
    seen = np.asarray(features, dtype=np.float64)
    draws = posterior.draw(seen, _DRAWS, rng)
    sample = seen[rng.permutation(len(seen))[:_IMAGES]]
    first, second = np.triu_indices(len(sample), 1)
    means, covariance = posterior.mean(sample), posterior.covariance(sample)
    difference = means[first] - means[second]
    before = _variances(covariance, first, second)
    told = posterior.information(difference, before)
    order = float(_sure(difference, np.zeros_like(before), before).mean())
    gains: dict[int, float] = {}
    now = before
    for vote in range(1, max(ahead) + 1):
        best = int(posterior.information(difference, now).argmax())
        tells = float(posterior.information(difference[best : best + 1], now[best : best + 1])[0])
        push = covariance[first[best]] - covariance[second[best]]
        covariance = covariance - np.outer(push, push) * (-np.expm1(-2 * tells) / now[best])
        now = _variances(covariance, first, second)
        if vote in ahead:
            gains[vote] = float(_sure(difference, np.maximum(before - now, 0), now).mean()) - order
    return Outlook(order, gains, (float(told.mean()), float(told.max())), _regret(posterior.mean(seen), draws))


def _variances(covariance: Float[np.ndarray, "m m"], first: np.ndarray, second: np.ndarray) -> Float[np.ndarray, " p"]:
    own = np.diag(covariance)
    return np.maximum(own[first] + own[second] - 2 * covariance[first, second], 1e-18)


def _sure(
    difference: Float[np.ndarray, " p"], moved: Float[np.ndarray, " p"], variance: Float[np.ndarray, " p"]
) -> Float[np.ndarray, " p"]:
    """E Φ(|δ'|/√v') over δ' ~ N(difference, moved)."""
    later = difference[:, None] + np.sqrt(moved)[:, None] * _POINTS
    return ndtr(np.abs(later) / np.sqrt(variance)[:, None]) @ _MASSES / _MASSES.sum()


def _regret(means: Float[np.ndarray, " n"], draws: Float[np.ndarray, "k n"]) -> float:
    """Thompson's: over joint draws, what the best image is worth above the one believed best."""
    short = draws.max(axis=1) - draws[:, int(means.argmax())]
    return float(short.mean() / max(float(draws.std(axis=1).mean()), 1e-12))


class Verdict(StrEnum):
    """What to do."""

    GO_ON = "go on"
    ENOUGH = "enough"
    CHANCE = "chance"


@dataclass(frozen=True)
class Sufficiency:
    """Whether the votes are enough, and on what grounds.

    Attributes:
        verdict: go on, enough, or chance (more votes will not help).
        sentences: the same in plain words: what to do, how often it was right, how often it can be.
        votes, decided: current votes, and those that chose left or right.
        outlook: what the belief expects of itself.
        accuracy: expected share of answers to random pairs guessed right, slips and doubt included.
        audit: what it was in fact, before each audit was answered.
        evidence: see :func:`~penchant.study.answers.evidence`.
        consistency: agreement of the person with themselves, and what it makes of the best possible accuracy.
    """

    verdict: Verdict
    sentences: tuple[str, ...]
    votes: int
    decided: int
    outlook: Outlook
    accuracy: float
    audit: Share
    evidence: float
    consistency: Consistency

    @property
    def standing(self) -> Standing:
        """How much may be said of the taste in words: for sure from evidence of log 20 nats, which a coin-tosser
        reaches in one study of twenty; nothing where there is less than 1 nat after 60 choices."""
        if self.evidence >= _CREDIBLE:
            return Standing.CONFIRMED
        return Standing.DOUBTED if _doubted(self.decided, self.evidence) else Standing.OPEN

    @property
    def convincing(self) -> bool:
        """Whether so many choices came true as foretold that a coin would do it in one study of a hundred at most."""
        return self.evidence >= _CONVINCING

    def figures(self) -> dict[str, object]:
        """Plain numbers for JSON."""
        again = self.consistency
        return {
            "verdict_on_votes": str(self.verdict),
            "verdict_in_words": list(self.sentences),
            "evidence_nats": self.evidence,
            "information_mean_nats": self.outlook.information[0],
            "information_best_nats": self.outlook.information[1],
            "expected_regret_sd": self.outlook.regret,
            "expected_accuracy": self.accuracy,
            "expected_order": self.outlook.order,
            "expected_gain": {str(votes): gain for votes, gain in self.outlook.gains.items()},
            "asked_again": again.again.trials,
            "agreement": again.again.value,
            "agreement_interval": again.again.interval and list(again.again.interval),
            "accuracy_ceiling": again.ceiling and list(again.ceiling),
            "left_share": again.left.value,
            "left_share_interval": again.left.interval and list(again.left.interval),
        }


def weigh(
    answers: Answers,
    voters: Mapping[int, str],
    posterior: Posterior,
    features: Float[np.ndarray, "n d"],
    rng: np.random.Generator,
) -> Sufficiency:
    """Whether the ``answers`` that made ``posterior`` are enough, for images like those with these ``features``.

    *Enough* needs two things: choices that were predicted, before they were given, better than a coin-tosser's would
    be once in a hundred studies, and a belief that hardly moves any more. *Chance* needs at least 60 choices, no such
    evidence at all (below 1 nat) and a belief that expects to be right in fewer than six answers of ten.
    """
    seen = np.asarray(features, dtype=np.float64)
    ahead = outlook(posterior, seen, rng)
    half = len(seen) // 2
    predicted = posterior.predict(seen[:half], seen[half : 2 * half])
    accuracy = float(np.maximum(predicted, 1 - predicted).mean())
    proof = evidence(answers)
    decided = sum(choice in (Choice.LEFT, Choice.RIGHT) for _, choice in answers.values())
    if proof >= _CONVINCING and ahead.gains[50] < _HARDLY:
        verdict = Verdict.ENOUGH
    elif _doubted(decided, proof) and accuracy < _LIKE_CHANCE:
        verdict = Verdict.CHANCE
    else:
        verdict = Verdict.GO_ON
    audit, again = audit_accuracy(answers), consistency(answers, voters)
    advice = _advice(verdict, len(answers), decided, ahead, proof, again)
    told = (advice, *_of_audits(verdict, audit), *_of_repeats(again))
    return Sufficiency(verdict, told, len(answers), decided, ahead, accuracy, audit, proof, again)


@dataclass(frozen=True)
class Person:
    """One of several voters: whether this one's votes are enough, and the taste in a sentence."""

    name: str
    stand: Sufficiency
    sentence: str


def _doubted(decided: int, proof: float) -> bool:
    return decided >= _LEAST_FOR_DOUBT and proof < _LEAST_PROOF


def _advice(verdict: Verdict, votes: int, decided: int, ahead: Outlook, proof: float, again: Consistency) -> str:
    if not votes:
        return "No votes yet: choose what you like better."
    if not decided:
        return f"Nothing is chosen yet: none of the {votes} answers says which image is better."
    if verdict is Verdict.ENOUGH:
        return "Enough: 50 more votes would hardly change what it guesses."
    if verdict is Verdict.CHANCE:
        start = f"Your {decided} choices look like chance to it, and more votes will not help."
        consistent = again.again.interval is not None and again.again.interval[0] > 0.5
        return f"{start} {_CONSISTENT if consistent else _EITHER}"
    if decided < 20:
        return "Keep going: it is too early to say how much more votes will bring."
    if _doubted(decided, proof):
        return "Keep going, with care: so far its guesses have hardly come true more often than a coin's."
    points = 100 * ahead.gains[20]
    if points < 1:
        if proof < _CONVINCING:
            return "Keep going: it expects to learn little more, but too few of its guesses have come true to rely on."
        return "Nearly enough: 20 more votes may put fewer than 1 more of 100 random pairs in your order."
    return f"Keep going: 20 more votes may put about {points:.0f} more of 100 random pairs in your order."


_CONSISTENT = (
    "Yet you agree with yourself, so you go by something that it cannot see: a new study with other features may."
)
_EITHER = "Either no image matters more than another to you, or you go by something that it cannot see."


def _of_audits(verdict: Verdict, audit: Share) -> list[str]:
    if audit.interval is None or verdict is Verdict.CHANCE:
        return []
    return [
        f"It guessed {audit.successes:.0f} of {audit.trials} random pairs right before you answered "
        f"({audit.interval[0]:.0%} to {audit.interval[1]:.0%} of all such pairs)."
    ]


def _of_repeats(again: Consistency) -> list[str]:
    told: list[str] = []
    ceiling = again.ceiling
    if ceiling is not None:
        best = f"the best anybody could guess is between {ceiling[0]:.0%} and {ceiling[1]:.0%} of your answers"
        told.append(
            f"Asked again with the sides swapped, you chose the same image in {again.again.successes:.0f} of "
            f"{again.again.trials} pairs: "
            f"{best if again.again.trials >= _LEAST_REPEATS else 'too few to say how well anybody could guess'}."
        )
    if again.left.interval is not None and not again.left.interval[0] <= 0.5 <= again.left.interval[1]:
        side = "left" if again.left.interval[0] > 0.5 else "right"
        share = again.left.successes if side == "left" else again.left.trials - again.left.successes
        told.append(
            f"You chose the {side} image in {share / again.left.trials:.0%} of pairs, though sides are a coin toss: "
            "look at both before you answer."
        )
    return told
