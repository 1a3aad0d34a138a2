"""Generators of few images are measured beside those of more."""

from pathlib import Path

import pytest

from penchant.bench.few_images import FewImages
from penchant.core.contracts import Progress
from penchant.core.errors import BadConfiguration

SMALL = "gan(latent_dim=4, widths=(8,), judge_widths=(8,), batch=16)"


def test_few_images_gives_a_row_for_each_number_and_figure(tmp_path: Path) -> None:
    heard: list[Progress] = []
    benchmark = FewImages(
        "pictures:1100", 28, False, (100, 0), (SMALL,), images_seen=1920, compared=100, sheets=str(tmp_path)
    )
    rows = benchmark.run(True, heard.append)
    figures = ("kid", "recall", "coverage", "memorisation")
    counts = [row.what.split(" ")[0] for row in rows]
    assert [row.what.rsplit(" ", 1)[1] for row in rows] == [*figures, *figures]
    assert counts[:4] == ["100"] * 4
    assert int(counts[4].replace(",", "")) > 900
    assert all(row.value is not None and row.error is not None for row in rows)
    assert len(list(tmp_path.glob("*.png"))) == 2
    assert any("100 images" in progress.stage for progress in heard)


def test_few_images_refuses_a_comparison_of_nothing() -> None:
    with pytest.raises(BadConfiguration, match="at least 100"):
        FewImages(compared=10)
