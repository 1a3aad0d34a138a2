"""Contact sheets: many small images on one picture, to be looked at."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from penchant.core.errors import BadConfiguration

GUTTER = (128, 128, 128)
"""Neutral grey between images, so that neither warm nor light ones gain from what is around them."""


def contact_sheet(images: UInt8[np.ndarray, "n c h w"], columns: int, scale: int = 3, gutter: int = 4) -> Image.Image:
    """Images in rows of ``columns``, each enlarged smoothly ``scale`` times, ``gutter`` pixels of grey around each.

    Use :func:`to_uint8` first for float images. Empty places of the last row stay grey.

    Raises:
        BadConfiguration: no images, or a column count or scale below 1.

    >>> contact_sheet(np.zeros((5, 3, 32, 32), np.uint8), columns=3, scale=2).size
    (208, 140)
    """
    if len(images) == 0 or columns < 1 or scale < 1:
        raise BadConfiguration(
            f"a contact sheet needs images, columns and a scale of at least 1; "
            f"found {len(images)} images, columns={columns}, scale={scale}"
        )
    cell = images.shape[-1] * scale + gutter
    sheet = Image.new("RGB", (columns * cell + gutter, -(-len(images) // columns) * cell + gutter), GUTTER)
    for index, image in enumerate(images):
        tile = as_pillow(image)
        if scale > 1:
            tile = tile.resize((tile.width * scale, tile.height * scale), Image.Resampling.BICUBIC)
        row, column = divmod(index, columns)
        sheet.paste(tile, (gutter + column * cell, gutter + row * cell))
    return sheet


def as_pillow(image: UInt8[np.ndarray, "c h w"]) -> Image.Image:
    """One image (1 or 3 channels) as an RGB Pillow image.

    >>> as_pillow(np.zeros((1, 8, 8), np.uint8)).mode
    'RGB'
    """
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(np.broadcast_to(image, (3, *image.shape[1:])), 0, -1)))
