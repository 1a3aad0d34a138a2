"""Two sets of images compared: who is judged against whom, and what is said of it."""

from pathlib import Path

import numpy as np
import pytest

from penchant.core.contracts import METRICS
from penchant.core.errors import BadConfiguration, BadImages, UnknownName
from penchant.core.rng import Rng
from penchant.data import ImageSettings, draw_pictures
from penchant.features import Yardstick
from penchant.study import Study, judging
from penchant.study.files import pil_image
from penchant.study.image_sets import Roles, as_version, gather
from penchant.study.judgement_page import page
from penchant.study.judging import SEEDS, Judgement, judge

PLAIN = ImageSettings(size=28)
ONE = "random_convolutions(seed=0)"


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return draw_pictures(count, 28, Rng(seed)).images


def folder(path: Path, images: np.ndarray, suffix: str = "png") -> str:
    path.mkdir()
    for index, pixels in enumerate(images):
        pil_image(pixels).save(path / f"{index:04d}.{suffix}")
    return str(path)


@pytest.fixture(scope="module")
def sets() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    everything = pictures(450)
    return everything[:150], everything[150:300], everything[300:]


def roles(generated: np.ndarray, real: np.ndarray, holdout: np.ndarray) -> Roles:
    return Roles(generated, real, holdout, real, holdout, ("made", "real"))


def _judge(found: Roles, extractor: str = "random_convolutions", seen: int = 0) -> Judgement:
    return judge(found, extractor, seen=seen)


def test_images_of_one_kind_are_not_told_apart(sets: tuple[np.ndarray, np.ndarray, np.ndarray]):
    found = _judge(roles(*sets), ONE)
    assert list(found.figures) == [*METRICS.names(), "pixel_classifier"]
    assert any("No difference between the two sets is shown" in text for text in found.sentences)
    assert len(found.sentences) == 1
    assert found.label("frechet") == "FD[random_convolutions]@150"


def test_noise_a_dropped_kind_and_copies_are_noticed(sets: tuple[np.ndarray, np.ndarray, np.ndarray]):
    generated, real, holdout = sets
    noise = Rng(0).numpy().integers(-40, 40, generated.shape)
    noisy = np.clip(generated.astype(int) + noise, 0, 255).astype(np.uint8)
    assert "The two sets differ" in _judge(roles(noisy, real, holdout), ONE).sentences[0]
    few = np.repeat(generated[:5], 30, axis=0)
    assert any("Part of what is real is missing" in text for text in _judge(roles(few, real, holdout), ONE).sentences)
    copied = _judge(roles(real, real, holdout), ONE)
    assert copied.sentences[0] == "150 of the 150 generated images are real ones, pixel for pixel."
    assert any("nearer to the training images" in text for text in copied.sentences)
    assert copied.nearest is not None
    assert (copied.nearest.generated == copied.nearest.training).all()


def test_random_networks_are_taken_five_times_and_their_spread_is_told(sets: tuple[np.ndarray, np.ndarray, np.ndarray]):
    found = _judge(roles(*(part[:60] for part in sets)))
    assert found.extractors == SEEDS
    figure = found.figures["vendi"]
    assert figure.measured is not None
    assert figure.spread is not None
    assert figure.spread[0] <= figure.measured.value <= figure.spread[1]
    assert figure.spread[0] < figure.spread[1]
    text = page(found)
    assert text.count("data:image/png") == 4
    assert "over 5 extractors" in text
    assert found.as_json()["figures"]["kid"]["label"] == "kid[random_convolutions]@60"


def test_folders_are_read_with_their_copies_and_half_of_the_real_one_is_set_aside(tmp_path: Path):
    images = pictures(90)
    made = folder(tmp_path / "made", np.concatenate([images[:30], images[:1]]), "png")
    real = folder(tmp_path / "real", images[30:], "jpg")
    found = gather(made, real, PLAIN)
    assert len(found.generated) == 31
    assert len(found.real) + len(found.holdout) == 60
    assert abs(len(found.real) - 30) < 12
    assert found.training is None
    assert [note[:20] for note in found.notes] == ["1 images in " + made[:8], "One of the two has J"]
    judged = _judge(found, ONE)
    assert "needs to know the training images" in (judged.figures["memorisation"].reason or "")
    assert "needs to know the training images" in page(judged)


def test_a_holdout_makes_the_real_images_the_training_images(tmp_path: Path):
    images = pictures(90)
    made, real, holdout = (folder(tmp_path / str(part), images[part * 30 :][:30]) for part in range(3))
    found = gather(made, real, PLAIN, holdout=holdout, count=20)
    assert found.training is not None
    assert found.unseen is not None
    assert [len(part) for part in (found.generated, found.real, found.holdout)] == [20, 20, 20]
    assert [len(found.training), len(found.unseen)] == [30, 30]


def test_a_version_brings_its_training_images_and_size(study: Study):
    path, count = str(study.path), 40
    training = np.array(study.images.train)
    study.close()
    found = gather(f"{path}@base", f"{path}@1", ImageSettings(size=64), count=count)
    assert found.generated.shape[2:] == (32, 32)
    assert found.training is not None
    assert (found.training == training).all()
    assert len(found.real) == len(found.holdout) == count
    assert not (found.real == found.generated).all()
    again = gather(path, f"{path}@1", ImageSettings(), count=count)
    assert (again.generated == found.generated).all()
    assert as_version(f"{path}@base") == (Path(path), "base")


def test_what_cannot_be_judged_is_told(tmp_path: Path, sets: tuple[np.ndarray, np.ndarray, np.ndarray]):
    with pytest.raises(BadImages, match="there is no study at nowhere"):
        gather("nowhere@2", "pictures:100", PLAIN)
    with pytest.raises(BadImages, match="there is nothing at"):
        gather(str(tmp_path / "nothing"), "pictures:100", PLAIN)
    with pytest.raises(BadConfiguration, match="--count must be at least 4"):
        gather("pictures:100", "pictures:100", PLAIN, count=1)
    with pytest.raises(BadConfiguration, match=r"'inception' needs its weights in the file nowhere\.pth"):
        _judge(roles(*sets), "inception(weights='nowhere.pth')")
    with pytest.raises(UnknownName, match=r"no extractor named 'inceptoin'; .* Did you mean 'inception'"):
        _judge(roles(*sets), "inceptoin")


def test_too_few_images_leave_figures_out_with_a_reason(sets: tuple[np.ndarray, np.ndarray, np.ndarray]):
    found = _judge(roles(*(part[:9] for part in sets)), ONE)
    assert "cannot be judged" in (found.figures["coverage"].reason or "")
    assert found.figures["kid"].measured is not None


def test_grey_images_are_judged_too(sets: tuple[np.ndarray, np.ndarray, np.ndarray]):
    generated, real, holdout = (part[:, :1] for part in sets)
    assert _judge(roles(generated, real, holdout), ONE).figures["kid"].measured is not None


@pytest.mark.parametrize(
    ("name", "published", "enough", "label", "said"),
    [
        ("inception", True, 30, "FID@30", "FID is that of images of 28 px, 30 a side"),
        ("inception", True, 31, "FD[inception]@30", "not called FID: that takes at least 31 images a side"),
        ("inception", False, 30, "FD[inception]@30", "not the weights that FID is defined by"),
        ("vgg16", True, 30, "FD[vgg16]@30", ""),
    ],
)
def test_fid_is_called_so_only_where_it_is(
    sets: tuple[np.ndarray, np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    published: bool,
    enough: int,
    label: str,
    said: str,
):
    stand_in = Yardstick(name, "0" * 16, 3, "weights of a test", published, lambda images: images.mean((2, 3)))
    monkeypatch.setattr(judging, "yardstick", lambda spec: stand_in)
    monkeypatch.setattr(judging, "FID_IMAGES", enough)
    found = _judge(roles(*(part[:30] for part in sets)), name)
    assert found.label("frechet") == label
    assert any(said in text for text in found.sentences) if said else not any("FID" in s for s in found.sentences)
    assert found.as_json()["extractor"]["about"] == "weights of a test"
    assert "weights of a test" in page(found)
    assert ("papers" in page(found)) == (not found.standard or label.startswith("FID"))
