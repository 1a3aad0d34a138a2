from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from penchant import StudySettings

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_small(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(path.parent)
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    small = partial(StudySettings, aligner="latent_tilt(steps=20, rounds=0)", pool=200)
    monkeypatch.setattr(module, "StudySettings", small)
    assert 0 <= module.main(tmp_path / "study", train_seconds=4, votes=6) <= 1


def test_examples_are_short():
    assert EXAMPLES
    for path in EXAMPLES:
        assert len(path.read_text().splitlines()) <= 100
