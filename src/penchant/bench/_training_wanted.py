"""One class among several is wanted: how many labels until a generator makes it, asked by chance or where they tell."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from penchant.bench._labelled import Classifier, Labelled, learned_classifier
from penchant.bench._training_trials import Kept, Trial, judged, trained
from penchant.core.contracts import FEATURES, SELECTION, UNLABELLED, PoolView
from penchant.core.rng import Rng
from penchant.data import to_float, to_uint8
from penchant.study.propagation import chance_of, worth_asking

_BATCHES = 4
TOLD = "what they tell"
"""Labels asked evenly down the ranking of what those before spread to, as ``penchant label --wanted`` asks."""
_MADE = 200


@dataclass(frozen=True)
class Wanted:
    """A pool with kinds that only labels tell, and who judges what is made."""

    pictures: Labelled
    seen: Float[np.ndarray, "n d"]
    classifier: Classifier

    @staticmethod
    def of(pictures: Labelled, pool: int) -> "Wanted":
        """The classifier learns from all pictures, the pool is the first so many."""
        classifier, _ = learned_classifier(pictures, epochs=3)
        own = pictures.images[:pool]
        eyes = FEATURES.make("descriptors").fit(to_float(own), None, Rng(0))
        return Wanted(Labelled(own, pictures.kinds[:pool], pictures.count), judged(eyes, own), classifier)

    def run(self, generator: str, images_seen: int, asked: int, active: bool, seed: int, kept: Kept) -> None:
        """Ask for labels, train on a tenth of the pool that is believed wanted, and count what is made of it."""
        strategy = TOLD if active else "random"
        key = "wanted", "labelled", generator, strategy, float(asked), seed
        if kept.find(*key) is not None:
            return
        kind = seed % self.pictures.count
        labels = self.asked(kind, asked, active, seed)
        rows = self.believed(labels)
        model, seconds = trained(generator, self.pictures.images[rows], images_seen, seed)
        made = to_uint8(model.sample(_MADE, Rng(seed).child("samples")))
        figures = {
            "precision": float((self.classifier.kinds(made) == kind).mean()),
            "chosen rightly": float((self.pictures.kinds[rows] == kind).mean()),
            "seconds": seconds,
        }
        kept.add(Trial(*key, figures))

    def asked(self, kind: int, count: int, active: bool, seed: int) -> Int[np.ndarray, " n"]:
        """Labels (1 wanted, 0 not) of so many images; every voter begins with one example, which is not counted."""
        numbers = Rng(seed).child("labels").numpy()
        truth = (self.pictures.kinds == kind).astype(np.int64)
        labels = np.full(len(truth), UNLABELLED)
        example = int(numbers.choice(np.flatnonzero(truth)))
        labels[example] = 1
        for number in range(_BATCHES):
            size = count * (number + 1) // _BATCHES - count * number // _BATCHES
            free = np.flatnonzero(labels == UNLABELLED)
            chances = chance_of(self.seen, labels, 1, numbers) if active else None
            rows = worth_asking(chances, free, size) if chances is not None else numbers.permutation(free)[:size]
            labels[rows] = truth[rows]
        return labels

    def believed(self, labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " k"]:
        """As many as are wanted in truth: those known to be, then by ``top_score`` the likeliest of the others."""
        known = np.flatnonzero(labels == 1)
        count = len(labels) // self.pictures.count
        chances = chance_of(self.seen, labels, 1, np.random.default_rng(0))
        spread = {} if chances is None else {1: chances}
        view = PoolView(self.seen, taken=known, barred=np.flatnonzero(labels == 0), labels=labels, chances=spread)
        rest = SELECTION.make("top_score").select(view, max(1, count - len(known)), np.random.default_rng(0)).rows
        return np.sort(np.concatenate([known, rest])[: max(count, len(known))])
