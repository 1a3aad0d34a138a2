"""One person and one generator: votes, a reward and a judge, and what each aligner then makes, in the hidden taste."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import gammaln
from torch import Tensor

from penchant.bench._taste_learners import ModelLearner
from penchant.core.contracts import PREFERENCE, VOTERS, Extractor, Generator, Reward, Strength
from penchant.core.rng import Rng
from penchant.data import to_float, to_uint8
from penchant.preference._reward import LinearReward
from penchant.study.frontier import Judge
from penchant.voters._known import KnownVoter


@dataclass(frozen=True, eq=False)
class Stage:
    """A trained generator with what is shared by everybody who votes on its images.

    The first half of ``images`` may be asked about, the other half is for measuring; features are of all of them.
    """

    base: Generator
    extractor: Extractor
    judge: Extractor
    images: Float[Tensor, "n c h w"]
    reference: Float[Tensor, "r c h w"]
    real: Float[np.ndarray, "m j"]
    held_out: Float[np.ndarray, "h j"]

    @cached_property
    def features(self) -> Float[np.ndarray, "n d"]:
        """What the taste is learned on."""
        return _seen(self.extractor, self.images)

    @cached_property
    def judged(self) -> Float[np.ndarray, "n j"]:
        """What the judge sees."""
        return _seen(self.judge, self.images)

    @property
    def half(self) -> int:
        """Images that may be asked about."""
        return len(self.images) // 2


@dataclass(frozen=True, eq=False)
class Person:
    """A hidden taste that votes on a stage's images."""

    stage: Stage
    taste: str
    voter: KnownVoter
    seen: Float[np.ndarray, "n k"]

    @staticmethod
    def meet(stage: Stage, taste: str) -> "Person":
        """The voter of that name; raises VoterFailed where it sees no difference."""
        voter = VOTERS.make(taste).meet(stage.reference)
        return Person(stage, taste, voter, voter.see(stage.images))

    @cached_property
    def gold(self) -> Float[np.ndarray, " m"]:
        """The hidden taste of the images for measuring."""
        gold = self.voter.merit(self.seen)
        assert gold is not None
        return gold[self.stage.half :]

    def learner(self, preference: str, strategy: str, audit_share: float) -> ModelLearner:
        """A fresh one."""
        features, groups = self.stage.features[: self.stage.half], self.stage.extractor.groups
        return ModelLearner(features, groups, preference, strategy, 5, audit_share=audit_share)

    def vote(self, learner: ModelLearner, first: int, last: int, rng: Rng) -> None:
        """Votes number ``first`` to ``last``, and learn from them."""
        for number in range(first, last + 1):
            left, right = learner.ask(rng.child("question", number).numpy())
            answer = self.voter.decide(self.seen[left], self.seen[right], rng.child("answer", number).numpy())
            learner.tell(left, right, answer)
        learner.catch_up()

    def reward(self, learner: ModelLearner, caution: float) -> Reward:
        """As a study makes it; raises NotReady where there is no taste yet."""
        return learner.posterior.reward(self.stage.extractor, self.stage.reference, caution)

    def rewarded(self, reward: Reward) -> Float[np.ndarray, " m"]:
        """The reward of the images for measuring, from features that were extracted once."""
        assert isinstance(reward, LinearReward)
        with torch.no_grad():
            features = torch.from_numpy(self.stage.features[self.stage.half :])
            return reward.of_features(features).double().numpy()

    def second_opinion(self, learner: ModelLearner, preference: str) -> Judge:
        """The same votes on the judge's features, as a study's judge sees them."""
        votes = learner.votes()
        judged = self.stage.judged.astype(np.float64)
        own = type(votes)(judged[learner.left], judged[learner.right], votes.choices)
        return Judge(self.stage.judge, PREFERENCE.make(preference).prior(self.stage.judge.groups).refit(own))

    def best_gain(self, values: Float[np.ndarray, " m"], strength: float) -> float:
        """E[gold] under the best tilt of the measuring images by ``values``, over that of all of them."""
        weights = tilt_weights(values, Strength(strength).target_kl)
        return float(weights @ self.gold - self.gold.mean())

    def best_of(self, values: Float[np.ndarray, " m"], n: int) -> float:
        """The same of keeping the best of ``n`` by ``values``."""
        return float(best_of_share(len(values), n) @ self.gold[np.argsort(values)] - self.gold.mean())


def tilt_weights(values: Float[np.ndarray, " m"], nats: float) -> Float[np.ndarray, " m"]:
    """softmax(values/β) with KL(w ‖ uniform) = ``nats``: the best that many nats can do over these images."""
    low, high = 1e-3, 1e4
    scaled = (values - values.max()) / max(float(values.std()), 1e-12)
    weights = np.full(len(values), 1 / len(values))
    for _ in range(60):
        beta = float(np.sqrt(low * high))
        weights = np.exp(scaled / beta)
        weights /= weights.sum()
        spent = float(np.sum(weights * np.log(np.maximum(weights * len(weights), 1e-300))))
        low, high = (low, beta) if spent < nats else (beta, high)
    return weights


def best_of_share(m: int, n: int) -> Float[np.ndarray, " m"]:
    """How probable it is that the i-th smallest of ``m`` is the largest of ``n`` drawn without putting back."""
    ranks = np.arange(1, m + 1)
    safe = np.maximum(ranks, n)
    all_subsets = gammaln(m + 1) - gammaln(n + 1) - gammaln(m - n + 1)
    log_share = gammaln(safe) - gammaln(n) - gammaln(safe - n + 1) - all_subsets
    return np.where(ranks >= n, np.exp(log_share), 0.0)


def fell(golds: Sequence[Float[np.ndarray, " k"]], chosen: int) -> bool:
    """Whether ``chosen`` lies past the point where gold falls: surely (2 standard errors) below a weaker strength.

    ``golds`` are the hidden taste of the same latents' images at every strength, weakest first.
    """
    best = max(range(chosen + 1), key=lambda place: golds[place].mean())
    short = golds[best] - golds[chosen]
    return bool(short.mean() > 2 * max(float(short.std()), 1e-9) / np.sqrt(len(short)))


def _seen(extractor: Extractor, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
    with torch.no_grad():
        return torch.cat([extractor(part) for part in images.split(256)]).numpy()


def shown(generator: Generator, latents: Float[Tensor, "k z"]) -> Float[Tensor, "k c h w"]:
    """Images in bytes, as people see them."""
    with torch.no_grad():
        return torch.cat([to_float(to_uint8(generator.decode(part))) for part in latents.split(128)])
