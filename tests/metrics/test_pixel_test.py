import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from penchant.core.errors import BadFeatures
from penchant.core.rng import Rng
from penchant.data import draw_pictures
from penchant.metrics import pixel_test

PICTURES = draw_pictures(360, 28, Rng(3)).images
REAL, OTHER, UNSEEN = PICTURES[:120], PICTURES[120:240], PICTURES[240:]
SEEN = 4000


def _blurred(images: np.ndarray) -> np.ndarray:
    blur = ImageFilter.GaussianBlur(1.0)
    return np.stack([np.asarray(Image.fromarray(one.transpose(1, 2, 0)).filter(blur)) for one in images]).transpose(
        0, 3, 1, 2
    )


def test_slight_blur_is_told_and_images_of_one_kind_are_not():
    same, blurred = (pixel_test(REAL, made, UNSEEN, Rng(0), SEEN) for made in (OTHER, _blurred(OTHER)))
    for found in (same, blurred):
        assert None not in (found.low, found.floor, found.p_value)
    assert (same.p_value or 0) > 0.05
    assert (same.low or 1) < 0.5
    assert (blurred.p_value or 1) < 0.001
    assert (blurred.low or 0) > 0.5 > (blurred.floor or 1)
    assert (blurred.n, blurred.extractor) == (120, "pixels")


def test_figure_is_the_same_for_the_same_seed_and_leaves_global_randomness_alone():
    real, made, unseen = (part[:40, :1] for part in (REAL, OTHER, UNSEEN))
    state = torch.get_rng_state()
    first, second = (pixel_test(real, made, unseen, Rng(1), 500) for _ in range(2))
    assert first == second
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("made", "said"), [(OTHER[:19], "at least 20 images of each set; found 120 real, 19 gen"), (OTHER[:, :1], "shape")]
)
def test_too_few_images_and_other_shapes_are_refused(made: np.ndarray, said: str):
    with pytest.raises(BadFeatures, match=said):
        pixel_test(REAL, made, UNSEEN, Rng(0))
