"""The learned taste as the cautious, differentiable reward that alignment maximises."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from penchant.core.contracts import Encoder, Extractor, FeatureReward
from penchant.core.errors import BadConfiguration, NotReady, StudyDamaged
from penchant.core.pretrained import load_extractor, read_config, write_config, write_tensors


@dataclass(frozen=True, eq=False)
class LinearReward(FeatureReward):
    """r(x) = (m·y − caution·√(yᵀΣy) − shift) / scale with y = φ(x) − centre.

    ``centre`` is the mean of the features on the reference images: a utility is only defined up to a constant, so
    what is uncertain is how much better x is than the average image, not u(x) itself. ``shift`` and ``scale`` make
    the lower bound have mean 0 and standard deviation 1 on the reference images; a strength means the same for every
    taste. Float32, on the images' device where the extractor works there.
    """

    extractor: Extractor
    centre: Float[Tensor, " d"]
    weights: Float[Tensor, " d"]
    factor: Float[Tensor, "d d"]
    caution: float
    shift: float = 0.0
    scale: float = 1.0

    @staticmethod
    def standardised(
        extractor: Extractor,
        mean: Float[np.ndarray, " d"],
        factor: Float[np.ndarray, "d d"],
        reference: Float[Tensor, "n c h w"],
        caution: float,
    ) -> "LinearReward":
        """The reward of w ~ N(mean, factor·factorᵀ), standardised on ``reference``.

        Raises:
            NotReady: the mean is 0 everywhere: no vote has said anything yet.
            BadConfiguration: an extractor of another width, a negative caution, or fewer than two reference images.
        """
        if extractor.width < len(mean):
            raise BadConfiguration(f"the taste is over {len(mean)} features; the extractor gives {extractor.width}")
        if not 0 <= caution < np.inf:
            raise BadConfiguration(f"caution must be 0 or more standard deviations; found {caution:g}")
        if len(reference) < 2:
            raise BadConfiguration(f"a reward is standardised on at least two images; found {len(reference)}")
        if not mean.any():
            raise NotReady("there is no taste to align to yet: no vote so far prefers one image to another")
        with torch.no_grad():
            features = torch.cat([extractor(batch) for batch in torch.split(reference, 256)])[:, : len(mean)]
            raw = LinearReward(
                extractor,
                features.mean(0),
                torch.from_numpy(mean).to(features),
                torch.from_numpy(factor).to(features),
                caution,
            )
            bound = raw.of_features(features)
            shift, scale = float(bound.mean()), float(bound.std())
        if not scale > 1e-5 * float(raw.weights.norm()):  # rounding, no more
            raise NotReady("the taste so far cannot tell the reference images apart; more votes are needed")
        return LinearReward(extractor, raw.centre, raw.weights, raw.factor, caution, shift, scale)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """The standardised lower bound; gradients flow where the extractor lets them."""
        return self.of_features(self.extractor(images))

    def of_features(self, features: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The same from features that were extracted already."""
        centred = features[:, : len(self.centre)] - self.centre.to(features.device)
        mean = centred @ self.weights.to(features.device)
        variance = (centred @ self.factor.to(features.device)).square().sum(1)
        # The tiny constant keeps the gradient of the root finite at the centre itself.
        return (mean - self.caution * torch.sqrt(variance + 1e-12) - self.shift) / self.scale

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json``, ``reward.safetensors`` and the extractor under ``extractor/``."""
        settings = {"caution": self.caution, "shift": self.shift, "scale": self.scale}
        write_config(directory, "preference/linear", settings)
        arrays = {"centre": self.centre, "weights": self.weights, "factor": self.factor}
        write_tensors(directory / "reward.safetensors", arrays)
        self.extractor.save_pretrained(directory / "extractor")

    @staticmethod
    def load(directory: Path, encoder: Encoder | None = None) -> "LinearReward":
        """Read back what :meth:`save_pretrained` wrote.

        Raises:
            StudyDamaged: a file or a number in it is missing.
        """
        config = read_config(directory)
        path = directory / "reward.safetensors"
        try:
            arrays = load_file(path)
            parts = arrays["centre"], arrays["weights"], arrays["factor"]
            numbers = float(config["caution"]), float(config["shift"]), float(config["scale"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise StudyDamaged(f"{directory} does not hold a whole reward: {error}") from None
        return LinearReward(load_extractor(directory / "extractor", encoder), *parts, *numbers)
