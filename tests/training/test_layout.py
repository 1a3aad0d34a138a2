"""The order of memory: chosen by the layers, kept by what is resumed."""

import pytest
import torch
from torch import nn

from penchant.training.layout import laid_out, memory_format
from penchant.training.objective import Adam, Clock, Loss, Objective
from penchant.training.trainee import Trainee


@pytest.mark.parametrize("norm", [nn.GroupNorm(1, 8), nn.BatchNorm2d(8), nn.LayerNorm(8)])
def test_networks_with_norms_stay_as_they_are(norm: nn.Module) -> None:
    convolution = nn.Conv2d(3, 8, 3)
    assert memory_format(nn.Sequential(convolution, norm)) == torch.contiguous_format
    assert memory_format(nn.Sequential(convolution, nn.SiLU())) == torch.channels_last


def test_laying_out_changes_no_number() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Flatten(), nn.Linear(8 * 9, 2))
    images = torch.randn(2, 3, 5, 5)
    before = network(images)
    laid_out(network, torch.channels_last)
    first = network[0]
    assert isinstance(first, nn.Conv2d)
    assert first.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(network(images), before, atol=1e-6)


def trained(steps: int, resume_after: int | None = None) -> tuple[nn.Module, Trainee]:
    """A convolution after so many steps of Adam, perhaps taken to pieces and put together again on the way."""
    torch.manual_seed(0)
    images = torch.randn(steps, 4, 3, 6, 6)

    def fresh() -> Trainee:
        torch.manual_seed(1)
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LeakyReLU(), nn.Conv2d(8, 4, 3))

        def loss(batch: tuple[torch.Tensor, ...], noise: torch.Generator, clock: object) -> Loss:
            return Loss(network(batch[0]).square().mean())

        return Trainee(Objective("net", network, loss, Adam(1e-2)), torch.device("cpu"))

    trainee = fresh()
    for step in range(steps):
        if step == resume_after:
            kept = {name: value.clone().contiguous() for name, value in trainee.tensors().items()}
            trainee = fresh()
            trainee.load(kept)
        trainee.forget()
        trainee.objective.loss((images[step],), torch.Generator(), Clock()).total.backward()
        trainee.step(1.0, 0.5, 4 * (step + 1), 4)
    return trainee.objective.module, trainee


def test_what_is_resumed_lies_in_the_same_order_and_goes_on_to_the_bit() -> None:
    (whole, _), (resumed, trainee) = trained(6), trained(6, resume_after=3)
    for own, again in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert own.stride() == again.stride()
        assert torch.equal(own, again)
    kernels = [one for one in resumed.parameters() if one.ndim == 4]
    assert not kernels[0].is_contiguous()
    trainee.finish()
    assert all(one.is_contiguous() for one in kernels), "as it will be read back, so that it draws the same to the bit"
