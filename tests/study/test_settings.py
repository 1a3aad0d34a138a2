from pathlib import Path

import pytest

from penchant.core.errors import BadConfiguration, UnknownName
from penchant.data import ImageSettings
from penchant.study import StudySettings


def test_settings_round_trip_through_toml(tmp_path: Path):
    settings = StudySettings(
        source="flowers", seed=3, images=ImageSettings(size=64), strategy={"name": "eubo"}, like_best_of=16, pool=500
    )
    settings.save(tmp_path)
    assert StudySettings.load(tmp_path) == settings


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("sede = 3", UnknownName, "Did you mean 'seed'"),
        ('strategy = "eub0"', UnknownName, "Did you mean 'eubo'"),
        ('generator = "vae(code_dims=3)"', UnknownName, "code_dim"),
        ("train_seconds = 0", BadConfiguration, "train_seconds must be at least 1"),
        ("train_images = 0", BadConfiguration, "train_images must be at least 1"),
        ("audit_share = 2.0", BadConfiguration, "audit_share"),
        ("again_share = -0.1", BadConfiguration, "again_share"),
        ("audit_share = 0.6\nagain_share = 0.5", BadConfiguration, "at most 1 together"),
        ("pool = 1", BadConfiguration, "pool must be at least 3"),
        ("[images]\nsize = 33", BadConfiguration, "33"),
        ("seed =", BadConfiguration, "is not TOML"),
    ],
)
def test_settings_tell_what_is_wrong(tmp_path: Path, text: str, error: type[Exception], words: str):
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(error, match=words):
        StudySettings.load(tmp_path)


def test_pool_size_shrinks_with_the_images():
    assert StudySettings(images=ImageSettings(size=128)).pool_size < StudySettings().pool_size
    assert StudySettings(pool=7).pool_size == 7
