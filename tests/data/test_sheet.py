import numpy as np
import pytest

from penchant.core.errors import BadConfiguration
from penchant.data.sheet import GUTTER, as_pillow, contact_sheet


def test_sheet_places_images_row_by_row() -> None:
    images = np.stack([np.full((3, 8, 8), value, np.uint8) for value in (10, 20, 30)])
    sheet = contact_sheet(images, columns=2, scale=2, gutter=4)
    assert sheet.size == (2 * 20 + 4, 2 * 20 + 4)
    assert sheet.getpixel((12, 12)) == (10, 10, 10)
    assert sheet.getpixel((32, 12)) == (20, 20, 20)
    assert sheet.getpixel((12, 32)) == (30, 30, 30)
    assert sheet.getpixel((32, 32)) == sheet.getpixel((0, 0)) == GUTTER


def test_sheet_keeps_pixels_as_they_are_when_not_enlarged() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8), dtype=np.uint8)
    sheet = np.asarray(contact_sheet(image, columns=1, scale=1, gutter=0))
    assert (np.moveaxis(sheet, -1, 0) == image[0]).all()


def test_grey_image_is_shown_in_equal_channels() -> None:
    shown = np.asarray(as_pillow(np.arange(64, dtype=np.uint8).reshape(1, 8, 8)))
    assert (shown == np.arange(64).reshape(8, 8, 1)).all()


@pytest.mark.parametrize(("count", "columns", "scale"), [(0, 2, 1), (1, 0, 1), (1, 1, 0)])
def test_sheet_refuses_impossible_requests(count: int, columns: int, scale: int) -> None:
    with pytest.raises(BadConfiguration, match=f"found {count} images, columns={columns}, scale={scale}"):
        contact_sheet(np.zeros((count, 3, 8, 8), np.uint8), columns, scale)
