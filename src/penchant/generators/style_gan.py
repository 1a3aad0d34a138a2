"""Style GAN: noise becomes a style, and the style says how every layer draws; its styles are a space of their own."""

from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from penchant.core.config import build
from penchant.core.contracts import (
    NO_ANNOTATIONS,
    Annotations,
    Budget,
    Capabilities,
    Generator,
    ImageSpec,
    Workspace,
)
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.generators._adversaries import Discriminator
from penchant.generators._common import (
    check_condition,
    check_latents,
    image_spec,
    packed,
    reading_pretrained,
    seeded,
    training_conditions,
    write_pretrained,
)
from penchant.generators._game import Recipe, check_widths, columns_of
from penchant.generators._styles import StyleNetwork
from penchant.training.loop import Settings

_KIND = "generators/style_gan"
_AVERAGED = 4096
"""Styles that the average style is taken over."""


@dataclass(frozen=True)
class StyleGAN:
    """Generator of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958) in the game of ``gan``.

    A mapping network turns z into a style w, which scales the weights of every convolution; the levels add up their
    pixels. Styles are less entangled than latents: the fitted generator gives them (``mapping``), draws from them
    (``synthesis``), and can pull them to the average one (``truncation``). Noise inputs are fixed directions of the
    style, so G(z) depends on z alone. Losses, penalties, augmentation and averaging are those of ``gan``; neither path
    length nor mixing of styles is regularised, which pays at larger images and longer runs.

    The choice where images are to be mixed, moved along a direction, or averaged. For the first minutes on two cores
    ``gan`` and this are compared in the benchmarks.

    Args:
        latent_dim: dimensions of z.
        style_dim: dimensions of w.
        mapping_layers: of the network from z to w.
        widths: channels of the levels, from the finest, the last repeated; twice as many from 64 px on.
        judge_widths: channels of the discriminator's levels.
        truncation: share of the way from the average style to each image's own, when drawing; below 1 images become
            more typical and less varied. Training is the same.
        batch, learning_rate, gamma, penalised, augmentation, augmentations, instance_noise, minibatch_deviation,
            top_k: as for ``gan``.
    """

    latent_dim: int = 64
    style_dim: int = 64
    mapping_layers: int = 2
    widths: tuple[int, ...] = (16, 64)
    judge_widths: tuple[int, ...] = (16, 64)
    truncation: float = 1.0
    batch: int = 32
    learning_rate: float = 2e-3
    gamma: float = 0.1
    penalised: float = 0.25
    augmentation: float | None = None
    augmentations: tuple[str, ...] = ("flip", "shift", "colour", "cutout")
    instance_noise: float = 0.0
    minibatch_deviation: bool = False
    top_k: float = 1.0

    def __post_init__(self) -> None:
        if self.style_dim < 1 or self.mapping_layers < 1:
            raise ValueError(
                f"style_dim and mapping_layers must be at least 1; found {self.style_dim} and {self.mapping_layers}"
            )
        if not 0 <= self.truncation <= 2:
            raise ValueError(f"truncation must be from 0 to 2; found {self.truncation:g}")
        check_widths("widths", self.widths)
        check_widths("judge_widths", self.judge_widths)
        self._recipe()

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> "StyleImages":
        """Train both networks in turn; goes on from the checkpoint in ``workspace`` where there is one.

        Of the ``annotations`` it uses weights and conditions; with conditions the generator is conditional.

        Raises:
            BadImages: fewer than 16 images, or not bytes shaped n × 1 or 3 × size × size of a size that is known.
            BadConfiguration: conditions that are not one finite row an image.
            Interrupted: Ctrl-C; fit again with the same arguments to go on.
            TrainingDiverged: the numbers blew up; a lower learning rate or a larger gamma helps.
        """
        image = image_spec(images, "a style GAN")
        columns, told = columns_of(images, training_conditions(annotations, len(images)))
        network = seeded(rng.child("generator network"), lambda: self._network(image, told))
        judge = seeded(
            rng.child("discriminator network"),
            lambda: Discriminator(image, self.judge_widths, self.minibatch_deviation, told),
        )
        game = self._recipe().game(network, judge, len(images))
        settings = Settings("style_gan", batch=self.batch, lowest=0.1)
        game.play(StyleImages(image, self, network, told), columns, budget, rng, workspace, settings, annotations)
        return StyleImages(image, self, network, told)

    @staticmethod
    def load(directory: Path) -> "StyleImages":
        """The generator that :meth:`StyleImages.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written.
        """
        with reading_pretrained(directory) as (config, tensors):
            settings = build(StyleGAN, config["settings"], where=str(directory / "config.json"))
            image = ImageSpec(**config["image"])
            condition_dim: int = config["condition_dim"]
            network = settings._network(image, condition_dim)
            network.load_state_dict(tensors)
        return StyleImages(image, settings, network, condition_dim)

    def _network(self, image: ImageSpec, condition_dim: int) -> StyleNetwork:
        return StyleNetwork(image, self.latent_dim, self.style_dim, self.mapping_layers, self.widths, condition_dim)

    def _recipe(self) -> Recipe:
        return Recipe(
            self.latent_dim,
            self.batch,
            self.learning_rate,
            self.gamma,
            self.penalised,
            self.augmentation,
            self.augmentations,
            self.instance_noise,
            self.top_k,
        )


class StyleImages(Generator):
    """G(z) = synthesis(mapping(z)): deterministic, differentiable, one pass a sample. What :class:`StyleGAN` fits.

    It is :class:`~penchant.core.contracts.Styled`.
    """

    def __init__(self, image: ImageSpec, settings: StyleGAN, network: StyleNetwork, condition_dim: int = 0):
        self.image = image
        self.settings = settings
        self.network = network.eval().requires_grad_(False)
        self.latent_dim = settings.latent_dim
        self.style_dim = settings.style_dim
        self.condition_dim = condition_dim
        self.capabilities = Capabilities(conditional=condition_dim > 0)

    def decode(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] of the latents, on the device of the latents.

        Raises:
            BadConfiguration: latents of another width, or a condition of another shape or where none is known.
        """
        return self.synthesis(self.mapping(latents, condition))

    def mapping(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n w"]:
        """The styles of the latents, pulled to the average one under the condition as far as the settings say."""
        check_latents(latents, self.latent_dim)
        told = check_condition(condition, len(latents), self.condition_dim, self._device)
        styles = self.network.mapping(latents.to(self._device), told)
        if self.settings.truncation != 1:
            styles = torch.lerp(self._average(told, len(latents)), styles, self.settings.truncation)
        return styles.to(latents.device)

    def synthesis(self, styles: Float[Tensor, "n w"]) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] of styles; raises BadConfiguration where they are not n × ``style_dim``."""
        if styles.ndim != 2 or styles.shape[1] != self.style_dim:
            raise BadConfiguration(f"styles are n × {self.style_dim}; found {tuple(styles.shape)}")
        images = self.network.synthesis(styles.to(self._device))
        return ((images + 1) / 2).clamp(0, 1).to(styles.device)

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of the weights."""
        return sha256(packed(self.network.state_dict())).hexdigest()[:16]

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and ``weights.safetensors``; :meth:`StyleGAN.load` reads them back."""
        described = {
            "settings": asdict(self.settings),
            "image": asdict(self.image),
            "condition_dim": self.condition_dim,
        }
        write_pretrained(directory, _KIND, described, packed(self.network.state_dict()))

    def _average(self, condition: Float[Tensor, "n k"] | None, count: int) -> Float[Tensor, "n w"]:
        """The mean style under each condition."""
        latents = self.latents(_AVERAGED, Rng(0)).to(self._device)
        with torch.no_grad():
            if condition is None:
                return self.network.mapping(latents).mean(dim=0).expand(count, -1)
            rows, places = condition.unique(dim=0, return_inverse=True)
            return torch.stack([self.network.mapping(latents, row.expand(_AVERAGED, -1)).mean(dim=0) for row in rows])[
                places
            ]

    @property
    def _device(self) -> torch.device:
        return self.network.start.device
