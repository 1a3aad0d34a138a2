import pytest
import torch

from penchant.alignment._tilt_training import BudgetPrice, FixedPrice, Schedule, path_gradient, train
from penchant.alignment._transport import Transport, antithetic, latent_kl
from penchant.core.contracts import silent
from penchant.core.errors import TrainingDiverged
from penchant.core.rng import Rng


def wavy(z: torch.Tensor) -> torch.Tensor:
    return z[:, 0] + torch.sin(2 * z[:, 1])


def test_path_gradient_is_the_gradient_of_the_objective_on_average() -> None:
    transport = Transport(2, couplings=2, hidden=4, rng=Rng(0)).double()
    draws = torch.Generator().manual_seed(0)
    for parameter in transport.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=draws, dtype=torch.double)
    parameters, beta = list(transport.parameters()), 0.7
    u = antithetic(200_000, 2, draws).double()
    z, log_det = transport(u)
    direct = torch.autograd.grad(latent_kl(u, z, log_det).mean() - wavy(z).mean() / beta, parameters)
    z, _ = transport(u)
    gain, spent, pull = path_gradient(transport, wavy, z, beta)
    by_path = torch.autograd.grad(z, parameters, pull / len(u))
    for one, other in zip(direct, by_path, strict=True):
        torch.testing.assert_close(one, other, atol=0.01, rtol=0.01)
    assert gain.item() == pytest.approx(wavy(z).mean().item())
    assert spent.item() == pytest.approx(latent_kl(u, z, log_det).mean().item())


def test_path_gradient_vanishes_at_every_latent_when_the_tilt_is_the_best() -> None:
    transport = Transport(2, couplings=2, hidden=4, rng=Rng(0))
    transport.shift.data = torch.tensor([2.0, 0.0])  # the answer to the reward z₁ at β = ½
    z, _ = transport(antithetic(64, 2, Rng(1).torch()))
    _, _, pull = path_gradient(transport, lambda at: at[:, 0], z, beta=0.5)
    assert pull.abs().max() < 1e-5


def test_budget_price_rises_while_too_much_is_spent_and_falls_while_too_little() -> None:
    price = BudgetPrice(target_kl=2.0, reward_sd=3.0)
    assert price.beta == 1.5  # sd/√(2·KL)
    price.observe(50.0, fraction=0.1)
    assert price.beta == 1.5
    for _ in range(30):
        price.observe(8.0, fraction=0.5)
    dear = price.beta
    assert dear > 1.6
    for _ in range(60):
        price.observe(0.5, fraction=0.5)
    assert price.beta < dear
    for _ in range(3000):
        price.observe(0.0, fraction=0.5)
    assert price.beta == pytest.approx(1.5e-4)


def test_train_skips_a_step_that_is_not_finite() -> None:
    calls = iter(range(10_000))

    def broken_now_and_then(z: torch.Tensor) -> torch.Tensor:
        return z[:, 0] * (float("nan") if next(calls) % 7 == 3 else 1.0)

    transport = Transport(1, couplings=0, hidden=1, rng=Rng(0))
    learned = train(transport, broken_now_and_then, FixedPrice(1.0), Schedule(300, 32, 6e-3), Rng(1), silent)
    assert learned.shift.item() == pytest.approx(1.0, abs=0.02)


def test_train_stops_when_nothing_is_finite_any_more() -> None:
    transport = Transport(1, couplings=0, hidden=1, rng=Rng(0))
    with pytest.raises(TrainingDiverged, match="not finite 20 steps in a row"):
        train(transport, lambda z: z[:, 0] / 0.0, FixedPrice(1.0), Schedule(300, 32, 6e-3), Rng(1), silent)
