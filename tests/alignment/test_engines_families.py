"""Every aligner on every family of generators: what the table in docs/choosing.md says is what happens."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from penchant.core.contracts import (
    ALIGNMENT,
    GENERATORS,
    Aligner,
    Budget,
    Generator,
    GeneratorComponent,
    Reward,
    Strength,
    Workspace,
)
from penchant.core.errors import NotCapable
from penchant.core.pretrained import load_generator, write_config
from penchant.core.rng import Rng

TABLE = Path(__file__).parents[2] / "docs" / "choosing.md"
TINY_FAMILIES = {
    "vae": "vae(widths=(8, 8), code_dim=8, flow_width=16, flow_blocks=1, flow_steps=1, batch=16)",
    "vae_gan": "vae_gan(widths=(8,), judge_widths=(8,), code_dim=8, flow_width=8, flow_blocks=1, batch=16)",
    "vq_vae": "vq_vae(levels=(4, 3), widths=(8,), token_width=8, token_layers=1, batch=16)",
    "flow": "flow(widths=(8, 8), steps=1, batch=16)",
    "progressive_gan": "progressive_gan(latent_dim=8, widths=(8,), judge_widths=(8,), batch=16)",
    "style_gan": "style_gan(latent_dim=8, style_dim=8, widths=(8,), judge_widths=(8,), batch=16)",
}
"""Settings that train in a moment; a family that is not named here is taken as it comes."""
BROUGHT = ("imported", "diffusers_pipeline", "auto")
"""Generators that are whatever a person brings (the tests of each align it), and the choice of another one."""
TINY_ALIGNERS = {
    "best_of_n": "best_of_n(reference=16)",
    "latent_tilt": "latent_tilt(steps=3, batch=4, couplings=0, hidden=8)",
    "joint": "joint(tilt_steps=3, steps=3, batch=4, couplings=0, hidden=8)",
    "noise_search": "noise_search(steps=2)",
    "weighted": "weighted(generated=32, own=32, steps=3, batch=8)",
}


class Bright(Reward):
    """The mean of all pixel values, about standardised."""

    def __call__(self, images: Tensor) -> Tensor:
        return 10 * (images.flatten(1).mean(dim=1) - 0.5)

    def save_pretrained(self, directory: Path) -> None:
        write_config(directory, "preference/bright", {})


def documented() -> dict[tuple[str, str], bool]:
    """What docs/choosing.md says: (aligner, family) → whether it works."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("| aligner | "))
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[first:]]
    rows = [row for row in cells[2:] if row[0] in TINY_ALIGNERS][: len(TINY_ALIGNERS)]
    return {(row[0], family): row[at] == "yes" for row in rows for at, family in enumerate(cells[0]) if at > 0}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return Rng(0).numpy().integers(0, 256, (32, 1, 28, 28), dtype=np.uint8)


@pytest.fixture(scope="module", params=[name for name in GENERATORS.names() if name not in BROUGHT])
def family(
    request: pytest.FixtureRequest, images: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Generator]:
    name: str = request.param
    component: GeneratorComponent = GENERATORS.make(TINY_FAMILIES.get(name, name))
    workspace = Workspace(tmp_path_factory.mktemp(name))
    return name, component.fit(images, Budget(images=64), Rng(0), workspace)


def test_every_aligner_is_in_the_table() -> None:
    assert {aligner for aligner, _ in documented()} == set(TINY_ALIGNERS)
    assert set(TINY_ALIGNERS) <= set(ALIGNMENT.names())


@pytest.mark.parametrize("engine", TINY_ALIGNERS)
def test_aligner_works_with_the_families_that_the_table_names(
    engine: str, family: tuple[str, Generator], images: np.ndarray, tmp_path: Path
) -> None:
    name, generator = family
    latents = generator.latents(4, Rng(1))
    with torch.no_grad():
        before = generator.decode(latents)
    aligner: Aligner = ALIGNMENT.make(TINY_ALIGNERS[engine])
    result, refusal = None, ""
    try:
        result = aligner.align(generator, Bright(), Strength(2), Rng(2), images=images)
    except NotCapable as error:
        refusal = str(error)
    assert documented().get((engine, name), result is not None) == (result is not None), refusal or "the table says no"
    if result is None:
        assert any(other in refusal for other in TINY_ALIGNERS), "a refusal names an aligner that would work"
        return
    with torch.no_grad():
        made = result.generator.decode(latents)
        assert torch.equal(generator.decode(latents), before), "the given generator was changed"
    assert made.shape == before.shape
    assert bool(made.isfinite().all())
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1
    assert np.isfinite(result.kl_nats)
    assert result.kl_estimator
    result.generator.save_pretrained(tmp_path)
    if engine not in ("best_of_n", "noise_search"):  # their reward, made here, cannot be read back
        with torch.no_grad():
            torch.testing.assert_close(load_generator(tmp_path).decode(latents), made)
