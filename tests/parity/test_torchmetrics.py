"""Fréchet distance and KID against torchmetrics; a development-only package."""

from typing import Any

import numpy as np
import pytest
import torch

from penchant.metrics.frechet import frechet_distance
from penchant.metrics.kid import kid


@pytest.fixture(scope="module")
def image_metrics() -> tuple[Any, Any]:
    reason = "needs torchmetrics: pip install 'penchant[parity]'"
    fid = pytest.importorskip("torchmetrics.image.fid", reason=reason, exc_type=ImportError)
    return fid, pytest.importorskip("torchmetrics.image.kid", reason=reason, exc_type=ImportError)


@pytest.mark.parametrize(("count", "width"), [(60, 4), (200, 64), (30, 50)])
def test_figures_are_those_of_torchmetrics(image_metrics: tuple[Any, Any], count: int, width: int) -> None:
    fid, kid_module = image_metrics
    rng = np.random.default_rng(width)
    left, right = rng.standard_normal((count, width)), rng.standard_normal((count, width)) * 0.8 + 0.3
    a, b = torch.from_numpy(left), torch.from_numpy(right)
    theirs = fid._compute_fid(a.mean(0), torch.cov(a.T), b.mean(0), torch.cov(b.T))
    # theirs takes roots of the complex eigenvalues of a product; where N < d, roots of rounding errors stay in it
    assert frechet_distance(left, right) == pytest.approx(float(theirs), rel=1e-6)
    assert kid(left, right) == pytest.approx(float(kid_module.poly_mmd(a, b)), rel=1e-6)
