"""Images are looked at in chunks, after a check that they are images."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.errors import BadImages

CHUNK = 256
"""How many images are looked at together: more is no faster and needs more memory."""

SMALLEST = 16
"""The smallest side that the extractors make sense of."""


def in_chunks(
    measure: Callable[[Float[Tensor, "k c h w"]], Float[Tensor, "k d"]], images: Float[Tensor, "n c h w"], width: int
) -> Float[Tensor, "n d"]:
    """``measure`` applied to chunks of checked images; graphs are kept only where gradients are enabled.

    Raises:
        BadImages: not four-dimensional, neither one nor three channels, under 16 px, not finite, or not in [0, 1].
    """
    check(images)
    if len(images) == 0:
        return images.new_zeros((0, width))
    return torch.cat([measure(chunk) for chunk in images.split(CHUNK)])


def check(images: Float[Tensor, "n c h w"]) -> None:
    """Raise BadImages where ``images`` are not what every extractor expects."""
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not images.is_floating_point():
        raise BadImages(
            f"features need float images, count × channels × height × width with 1 or 3 channels; found "
            f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}"
        )
    if min(images.shape[2:]) < SMALLEST:
        raise BadImages(f"features need images of at least {SMALLEST} px; found {images.shape[3]} × {images.shape[2]}")
    if len(images) == 0:
        return
    low, high = (float(bound) for bound in images.detach().aminmax())
    if not (low >= -0.5 and high <= 1.5):
        bad = int((~torch.isfinite(images.detach())).flatten(1).any(1).sum())
        found = f"{bad} of {len(images)} with NaN or infinite pixels" if bad else f"values from {low:g} to {high:g}"
        raise BadImages(f"features need images with values in [0, 1]; found {found}")


def check_enough(images: Float[Tensor, "n c h w"], fewest: int = 2) -> None:
    """Raise BadImages where there are fewer images than a fit needs."""
    check(images)
    if len(images) < fewest:
        raise BadImages(f"features are standardised on at least {fewest} images; found {len(images)}")
