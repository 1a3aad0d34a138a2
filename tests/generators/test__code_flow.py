"""The flow on codes: Heun's method against exact solutions, and the scaling of codes."""

import pytest
import torch
from torch import Tensor

from penchant.generators._code_flow import CodeFlow, CodeScale, FlowMatching
from penchant.training.objective import Clock


class Known(CodeFlow):
    """A flow whose velocity is known: v(x, t) = 2t, so x(1) = x(0) + 1; Heun's method is exact for it."""

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
        return 2 * time[:, None].expand(len(x), x.shape[1])


class Growing(CodeFlow):
    """v(x, t) = x, so x(1) = e·x(0)."""

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
        return x


def test_code_flow_starts_as_the_identity() -> None:
    noise = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(CodeFlow(5, 16, 2, 4).solve(noise), noise)


@pytest.mark.parametrize("steps", [1, 3])
def test_code_flow_solves_a_known_flow_exactly(steps: int) -> None:
    assert torch.allclose(Known(2, 16, 1, steps).solve(torch.zeros(4, 2)), torch.ones(4, 2))


def test_code_flow_error_falls_with_the_square_of_the_steps() -> None:
    few, many = (torch.e - Growing(1, 16, 1, steps).solve(torch.ones(1, 1)).item() for steps in (8, 16))
    assert few / many == pytest.approx(4, rel=0.15)


def test_flow_matching_of_the_resting_flow_is_the_distance_of_noise_and_codes() -> None:
    mean, deviation = torch.full((20_000, 2), 3.0), torch.full((20_000, 2), 0.5)
    loss = FlowMatching(CodeFlow(2, 16, 1, 4))((mean, deviation), torch.Generator().manual_seed(0), Clock())
    assert loss.total.item() == pytest.approx(3**2 + 0.5**2 + 1, rel=0.02)


def test_code_scale_finds_used_dimensions_and_goes_there_and_back() -> None:
    mean = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 2, 3, 4, 5, 0.0])
    log_variance = torch.full((50, 6), -2.0)
    scale = CodeScale.of(mean, log_variance, torch.tensor([1, 0.2, 0.05, 3, 0.5, 0.0]))
    assert scale.used.tolist() == [0, 1, 3, 4]
    columns, deviations = scale.standardise(mean, log_variance)
    total = columns.var(dim=0) + deviations.square().mean(dim=0)
    assert torch.allclose(total, torch.ones(4), atol=1e-5)
    restored = scale.restore(columns)
    assert torch.allclose(restored[:, scale.used], mean[:, scale.used], atol=1e-5)
    assert torch.allclose(restored[:, 2], mean[:, 2].mean().expand(50))


def test_code_scale_keeps_four_dimensions_at_least() -> None:
    mean = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))
    scale = CodeScale.of(mean, torch.zeros(9, 6), torch.tensor([0.01, 0.02, 0.03, 0.04, 0.05, 0.0]))
    assert scale.used.tolist() == [1, 2, 3, 4] or scale.used.tolist() == [0, 1, 2, 3, 4]
