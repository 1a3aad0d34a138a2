import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.alignment._transport import Transport, antithetic, latent_kl
from penchant.core.rng import Rng


def stirred(dimensions: int, seed: int = 0, strength: float = 0.3) -> Transport:
    """A transport far from the identity, in double precision."""
    transport = Transport(dimensions, couplings=3, hidden=8, rng=Rng(seed)).double()
    draws = torch.Generator().manual_seed(seed)
    for parameter in transport.parameters():
        parameter.data += strength * torch.randn(parameter.shape, generator=draws, dtype=torch.double)
    return transport


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 6), st.integers(0, 1000), st.floats(0, 1.5))
def test_transport_log_determinant_is_that_of_the_jacobian(dimensions: int, seed: int, dial: float) -> None:
    transport = stirred(dimensions, seed)
    u = torch.randn(1, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    jacobian = torch.autograd.functional.jacobian(lambda v: transport(v[None], dial)[0][0], u[0])
    assert isinstance(jacobian, torch.Tensor)
    assert transport(u, dial)[1].item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 6), st.integers(0, 1000), st.floats(0, 1.5))
def test_transport_inverse_gives_back_latent_and_log_determinant(dimensions: int, seed: int, dial: float) -> None:
    transport = stirred(dimensions, seed)
    u = torch.randn(5, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    z, log_det = transport(u, dial)
    back, same_log_det = transport.inverse(z, dial)
    torch.testing.assert_close(back, u)
    torch.testing.assert_close(same_log_det, log_det)


def test_transport_moves_every_dimension_by_its_couplings_alone() -> None:
    transport = Transport(5, couplings=2, hidden=8, rng=Rng(0))
    for name, parameter in transport.named_parameters():
        if name.endswith("4.bias"):
            parameter.data += 1
    assert (transport(torch.zeros(1, 5))[0] != 0).all()


def test_transport_is_the_identity_when_new_or_dialled_to_nothing() -> None:
    u = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    z, log_det = Transport(7, couplings=4, hidden=8, rng=Rng(0))(u)
    assert torch.equal(z, u)
    assert torch.equal(log_det, torch.zeros(4))
    assert torch.equal(stirred(7).float()(u, dial=0.0)[0], u)


def test_transport_takes_no_global_random_numbers() -> None:
    before = torch.random.get_rng_state()
    first, again = (Transport(6, couplings=3, hidden=8, rng=Rng(3)).state_dict() for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_latent_kl_is_the_closed_form_of_a_gaussian() -> None:
    transport = Transport(2, couplings=0, hidden=1, rng=Rng(0))
    transport.shift.data = torch.tensor([1.0, -2.0])
    transport.log_scale.data = torch.tensor([math.log(2.0), math.log(0.5)])
    u = antithetic(200_000, 2, Rng(1).torch())
    # Σ ½(s² + m² − 1) − log s, s = 2 and ½, m = 1 and −2.
    expected = 0.5 * (4 + 1 - 1) - math.log(2) + 0.5 * (0.25 + 4 - 1) - math.log(0.5)
    assert latent_kl(u, *transport(u)).mean().item() == pytest.approx(expected, rel=0.01)


def test_latent_kl_agrees_with_the_density_summed_over_a_grid() -> None:
    transport = stirred(2, seed=7, strength=0.15).requires_grad_(False)
    u = antithetic(200_000, 2, Rng(2).torch()).double()
    axis = torch.linspace(-15, 15, 600, dtype=torch.double)
    grid = torch.cartesian_prod(axis, axis)
    cell = (30 / 599) ** 2
    back, log_det = transport.inverse(grid)
    log_q = -0.5 * back.square().sum(1) - math.log(2 * math.pi) - log_det
    log_p = -0.5 * grid.square().sum(1) - math.log(2 * math.pi)
    assert (log_q.exp().sum() * cell).item() == pytest.approx(1, abs=1e-3)
    summed = ((log_q - log_p) * log_q.exp()).sum() * cell
    assert latent_kl(u, *transport(u)).mean().item() == pytest.approx(summed.item(), rel=0.03)
    assert summed > 0.1


def test_latent_kl_has_a_gradient() -> None:
    transport = Transport(3, couplings=2, hidden=4, rng=Rng(0))
    transport.shift.data += 0.5
    u = antithetic(1000, 3, Rng(1).torch())
    latent_kl(u, *transport(u)).mean().backward()
    assert transport.shift.grad is not None
    torch.testing.assert_close(transport.shift.grad, torch.full((3,), 0.5), atol=1e-4, rtol=0)
    touched = [parameter for parameter in transport.couplings.parameters() if parameter.grad is not None]
    assert any(parameter.grad is not None and parameter.grad.abs().max() > 1e-3 for parameter in touched)
