"""The generator's own view of an image: principal components of its codes."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Encoder, Extractor, Group
from penchant.core.errors import BadImages, NotCapable, StudyDamaged
from penchant.core.rng import Rng
from penchant.features import _checked, _saved
from penchant.features._principal import principal_axes

_KIND = "features/latents"


@dataclass(frozen=True)
class Latents:
    """The codes a generator gives to images, rotated to principal components and scaled by one number for all.

    The leading component has standard deviation 1 and the others keep their size relative to it, so that one prior
    scale for the group expects more of a taste in directions in which the images vary more. Whitening them instead
    throws that signal away (it costs about five points of accuracy at 100 votes).

    Use them beside ``descriptors``: they see what is particular to these images and has no name.

    Args:
        most: at most so many components.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 1, 28, 28, generator=Rng(0).torch())
    >>> extractor = Latents(most=8).fit(images, lambda pictures: pictures.flatten(1), Rng(0))
    >>> tuple(extractor(images).shape)
    (50, 8)
    """

    most: int = 32

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"most must be at least 1; found {self.most}")

    def fit(self, images: Float[Tensor, "n c h w"], encoder: Encoder | None, rng: Rng) -> "LatentExtractor":
        """Principal components of the codes of ``images``; rng is not used.

        Raises:
            NotCapable: there is no encoder.
            BadImages: fewer than two images, or the encoder gives NaN for them.
        """
        if encoder is None:
            raise NotCapable(
                "the features 'latents' are a generator's codes of images, and this generator cannot encode; "
                "use 'descriptors', or a generator that can encode, such as 'vae'"
            )
        _checked.check_enough(images)
        with torch.no_grad():
            codes = torch.cat([encoder(chunk) for chunk in images.split(_checked.CHUNK)])
            if not bool(torch.isfinite(codes).all()):
                raise BadImages("the encoder gives codes that are not finite; the generator is broken: train it anew")
            mean, axes, deviations = principal_axes(codes, self.most)
            scale = deviations[0] if deviations[0] > 0 else torch.ones_like(deviations[0])
            shape = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
            probe = encoder(_probe(*shape).to(images))
        return LatentExtractor(encoder, mean.float(), (axes / scale).float(), probe.float(), shape)

    @staticmethod
    def load(directory: Path, encoder: Encoder | None = None) -> "LatentExtractor":
        """What ``save_pretrained`` wrote, with the encoder it was fitted with.

        Raises:
            NotCapable: there is no encoder.
            StudyDamaged: files are missing or broken, or ``encoder`` is another one.
        """
        if encoder is None:
            raise NotCapable(f"the features in {directory} are a generator's codes; load them with its encoder")
        config, tensors = _saved.read(directory, ("mean", "axes", "probe"))
        channels, height, width = (int(size) for size in config["shape"])
        with torch.no_grad():
            codes = encoder(_probe(channels, height, width).to(tensors["probe"].device)).float().cpu()
        if codes.shape != tensors["probe"].shape or not torch.allclose(codes, tensors["probe"], rtol=1e-2, atol=1e-2):
            raise StudyDamaged(f"the features in {directory} were fitted with another generator than the one given")
        return LatentExtractor(encoder, tensors["mean"], tensors["axes"], tensors["probe"], (channels, height, width))


class LatentExtractor(Extractor):
    """Principal components of an encoder's codes; gradients flow through the encoder."""

    differentiable = True

    def __init__(
        self,
        encoder: Encoder,
        mean: Float[Tensor, " k"],
        axes: Float[Tensor, "k d"],
        probe: Float[Tensor, "p k"],
        shape: tuple[int, int, int],
    ):
        self._encoder, self._mean, self._axes, self._probe, self._shape = encoder, mean, axes, probe, shape
        self.groups = (Group("codes", 0, int(axes.shape[1])),)

    @property
    def hash(self) -> str:
        """Of the components and of the encoder's codes of two fixed pictures, which stand for the encoder."""
        return _saved.content_hash(_KIND, self._settings, self._tensors)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The features; raises BadImages where these are not finite images in [0, 1]."""
        return _checked.in_chunks(self._measure, images, self.width)

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and safetensors; the encoder is not written."""
        _saved.save(directory, _KIND, self._settings, self._tensors)

    def _measure(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        codes = self._encoder(images)
        return ((codes - self._mean.to(codes)) @ self._axes.to(codes)).float()

    @property
    def _settings(self) -> dict[str, list[int]]:
        return {"shape": list(self._shape)}

    @property
    def _tensors(self) -> dict[str, Tensor]:
        return {"mean": self._mean, "axes": self._axes, "probe": self._probe}


def _probe(channels: int, height: int, width: int) -> Float[Tensor, "2 c h w"]:
    """Two fixed pictures, a ramp and a wave, by whose codes an encoder is recognised."""
    down, across = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
    pictures = torch.stack([(down + across) / 2, 0.5 + 0.5 * torch.sin(9 * down) * torch.cos(7 * across)])
    tints = torch.linspace(1, 0.5, channels)[:, None, None]
    return pictures[:, None] * tints
