"""What a large pretrained model sees in an image: DINOv2, CLIP, SigLIP and the like."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.config import build
from penchant.core.contracts import Encoder, Extractor, Group
from penchant.core.errors import BadConfiguration, PenchantError, StudyDamaged
from penchant.core.rng import Rng
from penchant.features import _checked, _saved
from penchant.features._preprocessing import Preprocessing
from penchant.features._principal import principal_axes
from penchant.features._vision import Vision, load_preprocessing, load_vision, resolved

_KIND = "features/pretrained"
_AT_ONCE = 32
"""Images in the network together: more is no faster, and large networks need much memory for each."""


@dataclass(frozen=True)
class Pretrained:
    """Principal components of a pretrained model's image vectors, scaled by one number as ``latents`` are.

    Images are prepared as the model's own ``preprocessor_config.json`` says (resized, cut, standardised), in torch,
    so that gradients flow. Needs ``pip install 'penchant[pretrained]'`` (transformers) and weights: a local folder,
    or an id on the Hugging Face hub, which is downloaded once. Only safetensors are read, and no code of the model's.
    The weights are not copied into the study, which keeps the name and the SHA-256 of the weights and checks it.

    For tastes in what is *shown* (people, places, things), which nothing else here sees; colour and composition are
    told from fewer votes by ``descriptors``. Cost on a core: DINOv2 small at its own 224 px 0.13 s an image, 0.03 s
    at ``size=112``; larger models want a GPU.

    Args:
        model: a folder with config.json, preprocessor_config.json and model.safetensors, or an id on the hub.
        size: side of the images in the network, in pixels; the model's own by default. Smaller ones are quicker.
        pooling: ``pooled`` takes the vector that the model itself makes of an image (class token or attention head);
            ``mean`` averages a hidden state over all places.
        layer: which hidden state ``mean`` averages: 0 is the first, −1 the last. Earlier ones see more of the look.
        most: at most so many principal components.

    >>> Pretrained("facebook/dinov2-small", size=112).most
    64
    """

    model: str = "facebook/dinov2-small"
    size: int | None = None
    pooling: Literal["pooled", "mean"] = "pooled"
    layer: int = -1
    most: int = 64

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("model needs a folder or an id on the hub, for example 'facebook/dinov2-small'")
        if self.most < 1 or (self.size is not None and self.size < 1):
            raise ValueError(f"most and size must be at least 1; found {self.most} and {self.size}")
        if self.pooling == "pooled" and self.layer != -1:
            raise ValueError(f"layer is for pooling='mean'; found layer={self.layer} with pooling='pooled'")

    def fit(self, images: Float[Tensor, "n c h w"], encoder: Encoder | None, rng: Rng) -> "PretrainedExtractor":
        """Principal components of the model's vectors of ``images``; the encoder given and rng are not used.

        Raises:
            BadConfiguration: transformers or the weights are missing, or the model does not fit the settings.
            BadImages: fewer than two images, or they are not finite images in [0, 1].
        """
        _checked.check_enough(images)
        preprocessing = load_preprocessing(self.model)
        if self.size is not None:
            preprocessing = preprocessing.at(self.size)
        vision = self._vision()
        with torch.no_grad():
            self._try(vision, preprocessing, images[:1])
            vectors = _checked.in_chunks(lambda chunk: _vectors(chunk, vision, preprocessing), images, 0)
            if not bool(torch.isfinite(vectors).all()):
                raise BadConfiguration(
                    f"the model '{self.model}' gives vectors that are not finite; its weights are broken"
                )
            mean, axes, deviations = principal_axes(vectors, self.most)
        axes = axes / deviations[0].clamp_min(1e-12)
        return PretrainedExtractor(self, vision, preprocessing, mean.float().cpu(), axes.float().cpu())

    @staticmethod
    def load(directory: Path, encoder: Encoder | None = None) -> "PretrainedExtractor":
        """What ``save_pretrained`` wrote, with the model's weights from where they were.

        Raises:
            BadConfiguration: transformers or the weights are missing.
            StudyDamaged: files are missing or broken, or the weights are not those that the features were fitted with.
        """
        config, tensors = _saved.read(directory, ("mean", "axes"))
        where = str(directory / "config.json")
        try:
            component = build(Pretrained, config["component"], where)
            preprocessing = build(Preprocessing, config["preprocessing"], where)
            expected = str(config["weights_sha256"])
        except (KeyError, TypeError, PenchantError) as error:
            raise StudyDamaged(f"{where} does not describe pretrained features: {error}") from None
        vision = component._vision()
        if vision.weights != expected:
            raise StudyDamaged(
                f"the weights of '{component.model}' are not those that the features in {directory} were fitted with "
                f"(SHA-256 {expected[:16]}…, found {vision.weights[:16]}…); bring those back, or make a new study"
            )
        return PretrainedExtractor(component, vision, preprocessing, tensors["mean"], tensors["axes"])

    def _vision(self) -> Vision:
        return load_vision(self.model, None if self.pooling == "pooled" else self.layer)

    def _try(self, vision: Vision, preprocessing: Preprocessing, image: Float[Tensor, "1 c h w"]) -> None:
        """Tell in our words where a model and the settings do not go together."""
        try:
            _vectors(image, vision, preprocessing)
        except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise BadConfiguration(
                f"the model '{self.model}' does not give image vectors with size={self.size}, "
                f"pooling='{self.pooling}', layer={self.layer}: {error}"
            ) from None


class PretrainedExtractor(Extractor):
    """A frozen pretrained network and a fixed linear map; gradients flow through both."""

    differentiable = True

    def __init__(
        self,
        component: Pretrained,
        vision: Vision,
        preprocessing: Preprocessing,
        mean: Float[Tensor, " k"],
        axes: Float[Tensor, "k d"],
    ):
        self._component, self._vision, self._preprocessing = component, vision, preprocessing
        self._mean, self._axes = mean, axes
        self._weights = vision.weights
        self.groups = (Group("pretrained", 0, int(axes.shape[1])),)

    @property
    def hash(self) -> str:
        """Of the weights (wherever they are), of how images are prepared and pooled, and of the components."""
        settings = {**self._settings, "component": {"pooling": self._component.pooling, "layer": self._component.layer}}
        return _saved.content_hash(_KIND, settings, self._tensors)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The features; raises BadImages where these are not finite images in [0, 1]."""
        return _checked.in_chunks(self._measure, images, self.width)

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` (with the model's name and the SHA-256 of its weights) and the components."""
        component = {**asdict(self._component), "model": resolved(self._component.model)}
        _saved.save(directory, _KIND, {**self._settings, "component": component}, self._tensors)

    def _measure(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        vectors = _vectors(images, self._vision, self._preprocessing)
        return ((vectors - self._mean.to(vectors)) @ self._axes.to(vectors)).float()

    @property
    def _settings(self) -> dict[str, Any]:
        return {"preprocessing": asdict(self._preprocessing), "weights_sha256": self._weights}

    @property
    def _tensors(self) -> dict[str, Tensor]:
        return {"mean": self._mean, "axes": self._axes}


def _vectors(images: Float[Tensor, "n c h w"], vision: Vision, preprocessing: Preprocessing) -> Float[Tensor, "n k"]:
    return torch.cat([vision(preprocessing(part)) for part in images.split(_AT_ONCE)])
