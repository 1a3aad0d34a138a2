import pytest

from penchant.core.config import build
from penchant.core.contracts import ImageSpec
from penchant.core.errors import BadConfiguration
from penchant.data.settings import ImageSettings


def test_settings_say_what_images_they_give() -> None:
    assert ImageSettings().spec == ImageSpec(channels=3, size=32)
    assert ImageSettings(size=128, colour=False).spec == ImageSpec(channels=1, size=128)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"size": 30}, "28, 32, 48, 64, 128 pixels; found 30"),
        ({"fit": "squash"}, "squash"),
        ({"background": (0, 0, 256)}, "from 0 to 255"),
        ({"holdout": 0.9}, "0 to 0.5; found 0.9"),
        ({"minimum": 0}, "at least 1"),
    ],
)
def test_settings_refuse_what_cannot_be(wrong: dict[str, object], text: str) -> None:
    with pytest.raises(BadConfiguration, match=text):
        build(ImageSettings, wrong, "study.toml: images")
