"""A taste on its own: it can be kept, given away, blended with others, and used with any generator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor

from penchant.core.contracts import FEATURES, Extractor, Posterior, PriorTaste
from penchant.core.errors import BadConfiguration, NotCapable, NotReady, StudyDamaged, StudyMissing
from penchant.core.pretrained import load_extractor, read_config, write_config, write_tensors
from penchant.core.rng import Rng
from penchant.preference._reward import LinearReward

KIND = "taste"
_RANK = 256
_PORTABLE = "quadratic(of='descriptors')"
_RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class PortableTaste:
    """u(x) = wᵀφ(x), w ~ N(mean, A Aᵀ), with the extractor φ that it is about, and where it came from.

    What it is for: a taste learned in one study becomes the reward of another generator (:meth:`reward`), the start of
    another study (:meth:`known`), or a share of a blend (:func:`blended`). The utility is in logits of the voter who
    gave the votes. It holds for images like those it was learned from: φ was standardised on them.

    >>> from penchant.core.contracts import PREFERENCE
    >>> images = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> extractor = FEATURES.make("descriptors").fit(images, None, Rng(0))
    >>> taste = PortableTaste.of(PREFERENCE.make("linear").prior(extractor.groups), extractor, images)
    >>> taste.utility(images)[0].shape
    (40,)
    """

    extractor: Extractor
    mean: Float[np.ndarray, " d"]
    factor: Float[np.ndarray, "d k"]
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @staticmethod
    def of(
        posterior: Posterior,
        extractor: Extractor,
        images: Float[Tensor, "n c h w"],
        provenance: Mapping[str, Any] | None = None,
    ) -> "PortableTaste":
        """The taste that ``posterior`` believes in.

        Features that cannot leave their study (a generator's latents) are replaced by the default ones, fitted to
        ``images`` (a thousand do): the utility of the images is expressed in them by ridge regression, and
        ``provenance`` says as ``expressed`` which share of its variance on half of the images that explains; what they
        cannot say becomes uncertainty. It says as ``about`` what the taste is about: the share that each group of
        features has in the utility's variance on ``images``, Cov(w_g·φ_g, u)/Var u; groups that go along share it.
        """
        provenance = dict(provenance or {})
        taste = PortableTaste.within(posterior, extractor)
        if not _stands_alone(extractor):
            extractor = FEATURES.make(_PORTABLE).fit(images, None, Rng(0).child("portable"))
            mean, factor, provenance["expressed"] = _on(taste, extractor, images, _features(extractor, images))
            taste = PortableTaste(extractor, mean, factor)
        provenance["about"] = _about(taste, _features(extractor, images))
        return replace(taste, provenance=provenance)

    @staticmethod
    def within(
        posterior: Posterior, extractor: Extractor, provenance: Mapping[str, Any] | None = None
    ) -> "PortableTaste":
        """The same on its own features, whether they could leave their study or not; exact."""
        alone = np.eye(len(posterior.weights()[0]), extractor.width)
        return PortableTaste(extractor, posterior.mean(alone), _root(posterior.covariance(alone)), provenance or {})

    def utility(self, images: Float[Tensor, "n c h w"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Mean and standard deviation of u."""
        features = _features(self.extractor, images)[:, : len(self.mean)]
        return features @ self.mean, np.sqrt(((features @ self.factor) ** 2).sum(1))

    def known(
        self, extractor: Extractor, images: Float[Tensor, "n c h w"], trust: float = 1.0, doubt: float = 0.5
    ) -> tuple[PriorTaste, float]:
        """The start of another study with features ``extractor``; and how much of the taste they can express.

        With the very same features that is all, 1.0; with others the utility of ``images`` (a thousand of the other
        study's) is expressed in them by ridge regression, and the share of its variance on half of them is told.
        """
        if extractor.hash == self.extractor.hash:
            return PriorTaste(self.mean, trust, doubt), 1.0
        weights, expressed = _expressed(self.utility(images)[0][None], _features(extractor, images))
        return PriorTaste(weights[0], trust, doubt), expressed

    def reward(self, reference: Float[Tensor, "n c h w"], caution: float) -> LinearReward:
        """The reward for aligning any generator; ``reference`` are images of it. See :class:`LinearReward`."""
        return LinearReward.standardised(self.extractor, self.mean, self.factor, reference, caution)

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` (provenance), ``taste.safetensors`` and the features under ``extractor/``."""
        write_config(directory, KIND, {"provenance": dict(self.provenance)})
        arrays = {"mean": torch.from_numpy(self.mean), "factor": torch.from_numpy(self.factor)}
        write_tensors(directory / "taste.safetensors", arrays)
        self.extractor.save_pretrained(directory / "extractor")

    @staticmethod
    def from_pretrained(directory: str | Path) -> "PortableTaste":
        """Read back what :meth:`save_pretrained` wrote.

        Raises:
            StudyMissing: there is no taste there.
            StudyDamaged: a file is missing or broken, or it is something else.
        """
        directory = Path(directory)
        if not (directory / "config.json").is_file():
            raise StudyMissing(f"there is no taste at {directory}; `penchant taste export STUDY --out DIR` makes one")
        config = read_config(directory)
        if config["penchant"] != KIND:
            raise StudyDamaged(f"{directory} holds a {config['penchant']}, not a taste")
        try:
            arrays = load_file(directory / "taste.safetensors")
            mean, factor = arrays["mean"], arrays["factor"]
        except (OSError, SafetensorError, KeyError) as error:
            raise StudyDamaged(f"{directory} does not hold a whole taste: {error}") from None
        extractor = load_extractor(directory / "extractor")
        if not (np.isfinite(mean).all() and np.isfinite(factor).all()):
            raise StudyDamaged(f"the taste in {directory} has numbers that are not finite")
        if (mean.ndim, factor.ndim) != (1, 2) or len(factor) != len(mean) or len(mean) > extractor.width:
            raise StudyDamaged(f"the taste in {directory} does not fit its features ({extractor.width} wide)")
        return PortableTaste(extractor, mean, factor, config.get("provenance", {}))


def blended(
    tastes: Sequence[PortableTaste], shares: Sequence[float], images: Float[Tensor, "n c h w"]
) -> PortableTaste:
    """One more taste: the tastes, each with standard deviation 1 on ``images``, in these shares.

    Shares may be negative (less of that); they are divided by the sum of their magnitudes. The result is on the
    features of the first taste; others' tastes are expressed in them where they differ (see
    :meth:`PortableTaste.known`). It is as decided as its tastes are on average, in their shares, where these agree, and
    less where they part.

    Raises:
        BadConfiguration: no tastes, or not one share each, or shares that are not finite or all 0.
        NotReady: a taste that finds all the images equally good, or tastes that cancel each other.
    """
    if not tastes or len(tastes) != len(shares):
        raise BadConfiguration(f"a blend needs one share for each taste; found {len(tastes)} and {len(shares)}")
    total = float(np.abs(shares).sum())
    if not 0 < total < np.inf:
        told = ", ".join(f"{share:g}" for share in shares)
        raise BadConfiguration(f"the shares of a blend must be finite and not all 0; found {told}")
    extractor = tastes[0].extractor
    features = _features(extractor, images)
    means: list[np.ndarray] = []
    factors: list[np.ndarray] = []
    spreads: list[float] = []
    expressed: list[float] = []
    for place, (taste, share) in enumerate(zip(tastes, shares, strict=True), start=1):
        mean, factor, explained = _on(taste, extractor, images, features)
        spread = float((features[:, : len(mean)] @ mean).std())
        if not spread > 1e-9:
            raise NotReady(f"taste {place} finds all images equally good, so it cannot be blended; it needs votes")
        wide = np.zeros((extractor.width, 1 + factor.shape[1]))
        wide[: len(mean), 0], wide[: len(mean), 1:] = mean, factor
        wide *= share / total / spread
        means.append(wide[:, 0])
        factors.append(wide[:, 1:])
        spreads.append(spread)
        expressed.append(explained)
    scale = float(np.average(spreads, weights=np.abs(shares)))
    mean = scale * np.sum(means, axis=0)
    if not float((features @ mean).std()) > 1e-9:
        raise NotReady("these tastes cancel each other in these shares, so that nothing is left to like")
    provenance = {
        "blend": [
            {"share": float(share), "expressed": explained, "of": dict(taste.provenance)}
            for taste, share, explained in zip(tastes, shares, expressed, strict=True)
        ]
    }
    blend = PortableTaste(extractor, mean, scale * np.hstack(factors), provenance)
    return replace(blend, provenance={**provenance, "about": _about(blend, features)})


def _on(
    taste: PortableTaste, extractor: Extractor, images: Float[Tensor, "n c h w"], features: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d k"], float]:
    """Mean and factor of a taste over other features, and how much of it they express.

    Uncertainty is not lost on the way: what the features cannot say of the taste and of its uncertainty is spread over
    all of them.
    """
    if taste.extractor.hash == extractor.hash:
        return taste.mean, taste.factor, 1.0
    seen = _features(taste.extractor, images)[:, : len(taste.mean)]
    utilities = np.vstack([seen @ taste.mean, (seen @ taste.factor).T])
    weights, explained = _expressed(utilities, features)
    mean, factor = weights[0], weights[1:].T
    doubted = float(utilities[1:].var(1).sum()) + (1 - explained) * float(utilities[0].var())
    left = doubted - float((features @ factor).var(0).sum())
    return mean, np.hstack([factor, np.sqrt(max(left, 0) / features.var(0).sum()) * np.eye(len(mean))]), explained


def _about(taste: PortableTaste, features: Float[np.ndarray, "n d"]) -> dict[str, float]:
    """By group of features, the share of the utility's variance that it makes; they sum to 1."""
    parts = features[:, : len(taste.mean)] * taste.mean
    utility = parts.sum(1) - parts.sum(1).mean()
    variance = float(utility @ utility)
    groups = [group for group in taste.extractor.groups if group.stop <= len(taste.mean)]
    if not variance > 0:
        return {}
    return {group.name: float(parts[:, group.start : group.stop].sum(1) @ utility) / variance for group in groups}


def _expressed(
    utilities: Float[np.ndarray, "k n"], features: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, "k d"], float]:
    """Weights of the utilities, and which share of the first one's variance they explain where it was not looked at."""
    half = len(features) // 2
    tried = _ridge(utilities[:1, :half], features[:half])
    left = utilities[0, half:] - features[half:] @ tried[0]
    variance = float(utilities[0, half:].var())
    explained = 1 - float(left.var()) / variance if variance > 0 else 0.0
    return _ridge(utilities, features), max(explained, 0.0)


def _ridge(utilities: Float[np.ndarray, "k n"], features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "k d"]:
    centred = features - features.mean(0)
    gram = centred.T @ centred / len(centred)
    target = centred.T @ (utilities - utilities.mean(1, keepdims=True)).T / len(centred)
    penalty = _RIDGE * float(np.trace(gram)) / len(gram)
    return np.linalg.solve(gram + penalty * np.eye(len(gram)), target).T


def _root(covariance: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n k"]:
    """A square root, of at most so many directions."""
    values, vectors = np.linalg.eigh(covariance)
    kept = slice(max(len(values) - _RANK, 0), None)
    return vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0))


def _features(extractor: Extractor, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
    with torch.no_grad():
        return torch.cat([extractor(batch) for batch in images.split(256)]).double().cpu().numpy()


def _stands_alone(extractor: Extractor) -> bool:
    """Whether it can be loaded without the encoder of a generator."""
    with TemporaryDirectory() as folder:
        extractor.save_pretrained(Path(folder))
        try:
            load_extractor(Path(folder))
        except NotCapable:
            return False
    return True
