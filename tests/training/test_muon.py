"""Muon against what its definition says."""

import pytest
import torch
from torch import Tensor, nn

from penchant.training.muon import Muon, orthogonalise


def matrix(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))


@pytest.mark.parametrize(("rows", "columns"), [(6, 6), (4, 9), (9, 4), (1, 5)])
def test_orthogonalise_brings_singular_values_to_one_and_keeps_directions(rows: int, columns: int) -> None:
    given = matrix(rows, columns)
    u, _, v = torch.linalg.svd(given, full_matrices=False)
    found = orthogonalise(given)
    inner = u.T @ found @ v.T
    assert found.shape == given.shape
    assert ((inner.diagonal() > 0.25) & (inner.diagonal() < 1.3)).all()
    assert torch.allclose(inner, torch.diag(inner.diagonal()), atol=1e-3)


def test_muon_steps_along_orthogonalised_nesterov_momentum() -> None:
    kernel = nn.Parameter(torch.zeros(6, 2, 1, 1))
    gradients = [matrix(6, 2), matrix(6, 2) + 1]
    optimiser = Muon([kernel], learning_rate=0.1, momentum=0.9)
    momentum, expected = torch.zeros(6, 2), torch.zeros(6, 2)
    for gradient in gradients:
        kernel.grad = gradient.view_as(kernel).clone()
        optimiser.step()
        momentum = 0.9 * momentum + 0.1 * gradient
        expected -= 0.1 * 3**0.5 * orthogonalise(0.1 * gradient + 0.9 * momentum)
    assert torch.allclose(kernel.detach().flatten(1), expected, atol=1e-5)


def test_muon_does_not_depend_on_the_scale_of_the_loss() -> None:
    first, second = nn.Parameter(torch.zeros(3, 3)), nn.Parameter(torch.zeros(3, 3))
    for parameter, scale in ((first, 1.0), (second, 1000.0)):
        parameter.grad = matrix(3, 3) * scale
        Muon([parameter], learning_rate=0.1).step()
    assert torch.allclose(first, second, atol=1e-5)
    assert Muon([first], learning_rate=0.1).step(lambda: 3.0) == 3.0


@pytest.mark.parametrize(("rows", "columns"), [(4, 9), (9, 4), (40, 70)])
def test_orthogonalise_is_the_iteration_applied_to_the_matrix_itself(rows: int, columns: int) -> None:
    given = matrix(rows, columns).double()
    wide = given if rows <= columns else given.T
    x = wide / wide.norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    expected = x if rows <= columns else x.T
    assert torch.allclose(orthogonalise(given.float()).double(), expected, atol=1e-3)


@pytest.mark.parametrize("spread", [0.0, 1e-6, 1e-3])
def test_orthogonalise_stays_bounded_where_directions_are_lost(spread: float) -> None:
    u, _, v = torch.linalg.svd(matrix(8, 20), full_matrices=False)
    singular = torch.cat([torch.ones(4), torch.full((4,), spread)])
    found = orthogonalise(u @ singular.diag() @ v)
    assert found.isfinite().all()
    assert torch.linalg.svdvals(found).max() < 1.3
    assert not orthogonalise(torch.zeros(3, 5)).any()


def test_orthogonalise_is_as_exact_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = orthogonalise(matrix(6, 9))
    assert torch.equal(found, orthogonalise(matrix(6, 9)))
