"""One trial: a hidden taste, a way of answering, a learner, and the figures along the way."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from penchant.bench._taste_learners import Learner
from penchant.bench._taste_scores import accuracy, calibration_error, log_loss
from penchant.bench._taste_sets import PictureSet
from penchant.core.contracts import VOTERS, Choice
from penchant.core.errors import VoterFailed
from penchant.core.rng import Rng
from penchant.voters._known import KnownVoter, Seen

ACCURACY, LOG_LOSS, CALIBRATION, REGRET = "accuracy", "log-loss", "calibration error", "regret, sd"
FIGURES = (ACCURACY, LOG_LOSS, CALIBRATION, REGRET)
CURVE_STEP = 5

Outcome = Mapping[str, Mapping[int, float]]
"""For every figure its value after so many votes."""


@dataclass(frozen=True, eq=False)
class Task:
    """A voter who has met a set, what it saw in every image, and the pairs it is judged on."""

    pictures: PictureSet
    voter: KnownVoter
    seen: Seen
    first: Int[np.ndarray, " p"]
    second: Int[np.ndarray, " p"]

    @staticmethod
    def meet(pictures: PictureSet, spec: str, pairs: int) -> "Task":
        """Utilities are standardised on the images for testing, which are uniformly paired.

        Raises:
            VoterFailed: the taste sees no difference between these images, or is not a simulated one.
        """
        voter = VOTERS.make(spec).meet(pictures.images[pictures.pool :])
        if not isinstance(voter, KnownVoter):
            raise VoterFailed(f"'{spec}' is no simulated voter: what it would have answered cannot be known")
        rng = Rng(2026).child("test pairs").numpy()
        first = rng.integers(pictures.pool, len(pictures.images), pairs)
        second = rng.integers(pictures.pool, len(pictures.images) - 1, pairs)
        return Task(pictures, voter, voter.see(pictures.images), first, second + (second >= first))

    def learn(
        self,
        learner: Learner,
        votes: int,
        checkpoints: Sequence[int],
        rng: Rng,
        watch: Callable[[int, Learner], None] | None = None,
    ) -> Outcome:
        """Ask and tell ``votes`` times; accuracy at every fifth vote, all figures at ``checkpoints``.

        ``watch`` is called with the number of votes after each.
        """
        voter = copy(self.voter)
        found: dict[str, dict[int, float]] = {figure: {} for figure in FIGURES}
        for number in range(1, votes + 1):
            left, right = learner.ask(rng.child("question", number).numpy())
            answer = voter.decide(self.seen[left], self.seen[right], rng.child("answer", number).numpy())
            learner.tell(left, right, answer)
            if watch is not None:
                watch(number, learner)
            if number in checkpoints:
                learner.catch_up()
                for figure, value in self._judged(learner, voter).items():
                    found[figure][number] = value
            elif number % CURVE_STEP == 0 and not learner.lazy:
                merit = voter.merit(self.seen)
                if merit is not None:
                    found[ACCURACY][number] = self._accuracy(learner, merit)
        return found

    def _judged(self, learner: Learner, voter: KnownVoter) -> dict[str, float]:
        features = self._features(learner)
        chances = voter.chances(self.seen[self.first], self.seen[self.second])
        decided = chances[Choice.LEFT] + chances[Choice.RIGHT]
        answered = chances[Choice.LEFT] / np.maximum(decided, 1e-12)
        predicted = learner.predict(features[self.first], features[self.second])
        figures = {
            LOG_LOSS: log_loss(predicted, answered, decided),
            CALIBRATION: calibration_error(predicted, answered, decided),
        }
        merit = voter.merit(self.seen)
        if merit is not None:
            pool = slice(self.pictures.pool)
            believed = int(learner.mean(features[pool]).argmax())
            figures[ACCURACY] = self._accuracy(learner, merit)
            figures[REGRET] = float(merit[pool].max() - merit[believed])
        return figures

    def _accuracy(self, learner: Learner, merit: Float[np.ndarray, " n"]) -> float:
        believed = learner.mean(self._features(learner))
        truth: Bool[np.ndarray, " p"] = merit[self.first] > merit[self.second]
        return accuracy(believed[self.first] - believed[self.second], truth)

    def _features(self, learner: Learner) -> Float[np.ndarray, "n d"]:
        """Those of all images, as wide as the learner knows them."""
        return self.pictures.features[:, : learner.pool.shape[1]]
