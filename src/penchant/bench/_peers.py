"""Generators of other libraries, trained on the same bytes for as long: the peers of ``penchant bench generators``.

Each is built as its library publishes it and trained in float32, as it comes; all are given our way of drawing batches
from main memory, which is quicker than their data loaders. Used where the packages are installed, never needed::

    pip install --no-deps -c constraints.txt pythae torchcfm pot imageio

(without their dependencies, of which these models need none, and which bring torchvision and Lightning).
"""

import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from penchant.core.errors import NotCapable

Bytes = UInt8[np.ndarray, "n c h w"]
Sampler = Callable[[int], Float[Tensor, "n c h w"]]
"""So many images in [0, 1]."""

_MIXED = 5000
"""Images whose codes the Gaussian mixture is fitted to; all of 54,000 would take the time of most short trainings."""
_MIXING = 0.12
"""Share of the time that is kept back for it."""
_FLOW_STEPS = 5
"""Steps of Heun's method a sample, 10 passes: its adaptive solver takes ten times as many, and each costs 18 ms."""


class Course:
    """Batches of the images until the time is up."""

    def __init__(self, images: Bytes, seconds: float, seed: int):
        self._images, self._end = torch.from_numpy(np.ascontiguousarray(images)), time.process_time() + seconds
        self._start = time.process_time()
        self._rows = torch.Generator().manual_seed(seed)

    def run(self, batch: int, share: float, step: Callable[[Float[Tensor, "n c h w"]], None]) -> None:
        """Take steps on batches of images in [0, 1] until this share of the time is used."""
        until = self._start + share * (self._end - self._start)
        while time.process_time() < until:
            rows = torch.randint(len(self._images), (batch,), generator=self._rows)
            step(self._images[rows].float() / 255)

    def floats(self, count: int) -> Float[Tensor, "n c h w"]:
        """The first so many images in [0, 1]."""
        return self._images[:count].float() / 255


def fit_peer(name: str, images: Bytes, seconds: float, seed: int) -> Sampler:
    """The peer after so many core-seconds.

    Raises:
        NotCapable: its package is not installed, or it has no networks for images of this kind.
    """
    package = PEERS[name][0]
    if package is not None and find_spec(package) is None:
        raise NotCapable(f"needs {package}, which is not installed; see penchant.bench._peers for how")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        course = Course(images, seconds, seed)
        sampler = PEERS[name][1](course, (images.shape[1], images.shape[2], images.shape[3]))
    return torch.no_grad()(sampler)


def _pythae_nets(shape: tuple[int, int, int]) -> tuple[str, int]:
    """The networks of pythae's own benchmarks for this kind of images, and the dimensions of a code."""
    kind = {(1, 28, 28): ("mnist", 16), (3, 32, 32): ("cifar", 64)}.get(shape)
    if kind is None:
        raise NotCapable(f"pythae has networks for 1 × 28 × 28 and 3 × 32 × 32; found {shape}")
    return kind


def _pythae(shape: tuple[int, int, int]) -> tuple[Any, Any, str, int]:
    """Its models, its networks, and what they are called by."""
    kind, dimensions = _pythae_nets(shape)
    return (
        import_module("pythae.models"),
        import_module(f"pythae.models.nn.benchmarks.{kind}"),
        kind.upper(),
        dimensions,
    )


def _vae(course: Course, shape: tuple[int, int, int]) -> Sampler:
    """pythae's VAE as it comes (layers of 512), Adam at 1e-3, and its Gaussian mixture of 10 on the codes."""
    models, _, _, dimensions = _pythae(shape)
    settings = models.VAEConfig(input_dim=shape, latent_dim=dimensions)
    return _mixed(course, models.VAE(settings))


def _convolutional_vae(course: Course, shape: tuple[int, int, int]) -> Sampler:
    """The same with the convolutions of pythae's benchmark, up to 1,024 channels: few steps on a core."""
    models, nets, kind, dimensions = _pythae(shape)
    settings = models.VAEConfig(input_dim=shape, latent_dim=dimensions)
    encoder, decoder = getattr(nets, f"Encoder_Conv_VAE_{kind}"), getattr(nets, f"Decoder_Conv_AE_{kind}")
    return _mixed(course, models.VAE(settings, encoder=encoder(settings), decoder=decoder(settings)))


def _mixed(course: Course, model: Any) -> Sampler:
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    course.run(100, 1 - _MIXING, lambda batch: _descend(optimiser, model({"data": batch}).loss))
    samplers = import_module("pythae.samplers")
    mixture = samplers.GaussianMixtureSampler(model.eval(), samplers.GaussianMixtureSamplerConfig(n_components=10))
    mixture.fit(course.floats(_MIXED))
    return lambda count: mixture.sample(count, batch_size=250)


def _vae_gan(course: Course, shape: tuple[int, int, int]) -> Sampler:
    """pythae's VAE-GAN as it comes, by its trainer's rule for three optimisers at 1e-3."""
    models, _, _, dimensions = _pythae(shape)
    model = models.VAEGAN(models.VAEGANConfig(input_dim=shape, latent_dim=dimensions))
    players = ("encoder", "decoder", "discriminator")
    adams = {f"{one}_optimizer": torch.optim.Adam(getattr(model, one).parameters(), 1e-3) for one in players}
    trainer, rule = SimpleNamespace(**adams), import_module("pythae.trainers").CoupledOptimizerAdversarialTrainer
    course.run(100, 1.0, lambda batch: rule._optimizers_step(trainer, model({"data": batch})))
    model.eval()
    return lambda count: model.decoder(torch.randn(count, dimensions)).reconstruction


def _vq_vae(course: Course, shape: tuple[int, int, int]) -> Sampler:
    """pythae's VQ-VAE with its benchmark's networks for half of the time, then its PixelCNN on the codes."""
    models, nets, kind, dimensions = _pythae(shape)
    settings = models.VQVAEConfig(input_dim=shape, latent_dim=dimensions)
    encoder, decoder = getattr(nets, f"Encoder_ResNet_VQVAE_{kind}"), getattr(nets, f"Decoder_ResNet_VQVAE_{kind}")
    model = models.VQVAE(settings, encoder=encoder(settings), decoder=decoder(settings))
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    course.run(100, 0.5, lambda batch: _descend(optimiser, model({"data": batch}).loss))
    prior = import_module("pythae.samplers").PixelCNNSampler(model.eval())
    pixels = prior.pixelcnn_model
    learner = torch.optim.Adam(pixels.parameters(), 1e-3)

    def learn(batch: Float[Tensor, "n c h w"]) -> None:
        with torch.no_grad():
            found = model({"data": batch}).quantized_indices.reshape(len(batch), *pixels.model_config.input_dim)
        _descend(learner, pixels({"data": found.float()}).loss)

    course.run(100, 1.0, learn)
    pixels.eval()
    prior.is_fitted = True
    return lambda count: prior.sample(count, batch_size=250)


def _flow(course: Course, shape: tuple[int, int, int]) -> Sampler:
    """torchcfm's U-Net as in its notebooks on MNIST (32 channels, one block a level), Adam at 1e-3, batches of 128."""
    flows = import_module("torchcfm.conditional_flow_matching")
    net = import_module("torchcfm.models.unet").UNetModel(dim=shape, num_channels=32, num_res_blocks=1)
    matcher = flows.ConditionalFlowMatcher(sigma=0.0)
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)

    def step(batch: Float[Tensor, "n c h w"]) -> None:
        end = 2 * batch - 1
        time, place, velocity = matcher.sample_location_and_conditional_flow(torch.randn_like(end), end)
        _descend(optimiser, (net(time, place) - velocity).square().mean())

    course.run(128, 1.0, step)
    net.eval()

    def drawn(count: int) -> Float[Tensor, "n c h w"]:
        x, length = torch.randn(count, *shape), 1 / _FLOW_STEPS
        for index in range(_FLOW_STEPS):
            now, then = (torch.full((count,), (index + shift) * length) for shift in (0, 1))
            velocity = net(now, x)
            x = x + length / 2 * (velocity + net(then, x + length * velocity))
        return (x + 1) / 2

    return lambda count: torch.cat([drawn(len(part)) for part in torch.arange(count).split(125)])


def _dcgan(course: Course, shape: tuple[int, int, int]) -> Sampler:
    """The DCGAN of PyTorch's tutorial (64 channels, Adam at 2e-4, β₁ .5, batches of 128), a level less for 32 px.

    Smaller images are padded to 32 px with their darkest value, and what it makes is cropped again.
    """
    channels, size, _ = shape
    if size > 32:
        raise NotCapable(f"the tutorial's DCGAN is set up for 32 px here; found {size}")
    border = (32 - size) // 2
    maker = nn.Sequential(
        *_up(100, 256, 1, 0), *_up(256, 128, 2, 1), *_up(128, 64, 2, 1),
        nn.ConvTranspose2d(64, channels, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    judge = nn.Sequential(
        nn.Conv2d(channels, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2), *_down(64, 128), *_down(128, 256),
        nn.Conv2d(256, 1, 4, 1, 0, bias=False), nn.Flatten(0),
    )  # fmt: skip
    for network in (maker, judge):
        network.apply(_tutorial_weights)
    making, judging = (torch.optim.Adam(one.parameters(), 2e-4, betas=(0.5, 0.999)) for one in (maker, judge))

    def step(batch: Float[Tensor, "n c h w"]) -> None:
        real = F.pad(2 * batch - 1, (border,) * 4, value=-1.0)
        made = maker(torch.randn(len(batch), 100, 1, 1))
        ones, zeros = torch.ones(len(batch)), torch.zeros(len(batch))
        loss = F.binary_cross_entropy_with_logits(judge(real), ones)
        _descend(judging, loss + F.binary_cross_entropy_with_logits(judge(made.detach()), zeros))
        _descend(making, F.binary_cross_entropy_with_logits(judge(made), ones))

    course.run(128, 1.0, step)

    def drawn(count: int) -> Float[Tensor, "n c h w"]:
        made = maker(torch.randn(count, 100, 1, 1))
        return (made[..., border : 32 - border, border : 32 - border] + 1) / 2

    return lambda count: torch.cat([drawn(len(part)) for part in torch.arange(count).split(125)])


def _up(wide: int, narrow: int, stride: int, padding: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(wide, narrow, 4, stride, padding, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]


def _down(narrow: int, wide: int) -> list[nn.Module]:
    return [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]


def _tutorial_weights(module: nn.Module) -> None:
    """Convolutions from N(0, .02²), scales of batch normalisation from N(1, .02²)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def _descend(optimiser: torch.optim.Optimizer, loss: Float[Tensor, ""]) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


PEERS: dict[str, tuple[str | None, Callable[[Course, tuple[int, int, int]], Sampler]]] = {
    "peer_pythae_vae": ("pythae", _vae),
    "peer_pythae_convolutional_vae": ("pythae", _convolutional_vae),
    "peer_pythae_vae_gan": ("pythae", _vae_gan),
    "peer_pythae_vq_vae": ("pythae", _vq_vae),
    "peer_torchcfm": ("torchcfm", _flow),
    "peer_dcgan": (None, _dcgan),
}
"""The package that each of them needs, and how it is trained."""
