"""VQ-VAE: images as a grid of tokens, and a model of what follows what that draws them from noise."""

from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

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
from penchant.core.rng import Rng
from penchant.data.sheet import contact_sheet
from penchant.generators._autoencoder import to_pixels
from penchant.generators._common import (
    check_condition,
    check_latents,
    drawing,
    examining,
    image_spec,
    mirrored,
    packed,
    reading_pretrained,
    seeded,
    to_bytes,
    training_conditions,
    write_pretrained,
)
from penchant.generators._game import check_widths
from penchant.generators._quantised import GivingBack, TokenAutoencoder
from penchant.generators._token_model import TokenLikelihood, TokenModel
from penchant.generators._vq_continued import ContinuedTokens
from penchant.training.loop import Settings, train
from penchant.training.objective import Clock, MuonAdam, Objective
from penchant.training.processes import Processes

_KIND = "generators/vq_vae"
_TOKENED = 50_000
"""Images whose tokens the model learns, at most."""


@dataclass(frozen=True)
class VQVAE:
    """Vector-quantised autoencoder (van den Oord et al. 2017), here by rounding, with a model of its tokens.

    The encoder turns an image into a grid of 6 to 8 tokens a side, each one of a few hundred; the decoder draws them
    again. The codebook is a fixed grid (finite scalar quantisation, Mentzer et al. 2023, arXiv 2309.15505), so it needs
    no losses of its own and no code dies; reports tell how much of it is used. A causal transformer then learns which
    token follows which.

    G(z) keeps to the contract, z ~ N(0, I): every level of every token is drawn with one number of z, by inversion, so
    that the same z gives the same image. It is piecewise constant in z, hence without gradients: ``latent_tilt`` and
    ``joint`` cannot bend it; ``best_of_n`` and ``noise_search`` can, and ``weighted`` by going on training the token
    model.

    Sharp parts in plausible places after few minutes; drawing takes a pass a token. Use ``vae_gan`` or ``gan`` where
    gradients are wanted, ``flow`` for the most variety.

    Conditional where images come with conditions: the token model is told them (three in ten are learned without).

    Args:
        levels: of each channel of a token; None takes (8, 6, 5) below 64 px, (8, 5, 5, 5) from there on.
        widths: channels of the autoencoder's levels, from the finest.
        token_share: share of the budget that the token model gets.
        token_width: width of its layers, a multiple of 4.
        token_layers: how many there are.
        temperature: when drawing; below 1 images become more typical and less varied. Training is the same.
        batch: images a step, for both.
        learning_rate: of the autoencoder (Muon), at its top.
        token_learning_rate: of the token model (Muon), at its top.
        mirror: add left-right mirrored images; for small sets of things that have no handedness.
    """

    levels: tuple[int, ...] | None = None
    widths: tuple[int, ...] = (32, 64)
    token_share: float = 0.6
    token_width: int = 96
    token_layers: int = 3
    temperature: float = 1.0
    batch: int = 32
    learning_rate: float = 0.02
    token_learning_rate: float = 0.01
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.batch < 1 or self.token_layers < 1 or self.token_width < 4 or self.token_width % 4:
            raise ValueError("batch and token_layers must be at least 1, and token_width must be a multiple of 4")
        if self.levels is not None and (not self.levels or min(self.levels) < 2 or max(self.levels) > 64):
            raise ValueError(f"levels must be from 2 to 64 for each channel; found {self.levels}")
        if not 0 < self.token_share < 1:
            raise ValueError(f"token_share must be between 0 and 1; found {self.token_share:g}")
        if min(self.temperature, self.learning_rate, self.token_learning_rate) <= 0:
            raise ValueError("temperature and learning rates must be positive")
        check_widths("widths", self.widths)

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> "TokenImages":
        """Train autoencoder and token model; goes on from the checkpoints in ``workspace`` where there are any.

        A budget of images counts those that the autoencoder sees; the token model gets its share of the same effort. Of
        the ``annotations`` it uses weights and conditions; with conditions the generator is conditional.

        Raises:
            BadImages: fewer than 16 images, or not bytes shaped n × 1 or 3 × size × size of a size that is known.
            BadConfiguration: conditions that are not one finite row an image.
            Interrupted: Ctrl-C; fit again with the same arguments to go on.
            TrainingDiverged: the numbers blew up; a lower learning rate helps.
        """
        start = workspace.clock()
        image = image_spec(images, "a VQ-VAE")
        annotations = Annotations(annotations.weights, training_conditions(annotations, len(images)))
        if self.mirror:
            images, annotations = mirrored(images, annotations)
        network = seeded(rng.child("network"), lambda: self._autoencoder(image))
        before = workspace.clock() - start
        seen = self._fit_autoencoder(network, images, annotations, budget, rng.child("autoencoder"), workspace)
        start = workspace.clock()
        chosen = np.sort(rng.child("tokened").numpy().permutation(len(images))[:_TOKENED])
        weights, conditions = (
            None if rows is None else rows[chosen] for rows in (annotations.weights, annotations.conditions)
        )
        width = 0 if conditions is None else conditions.shape[1]
        tokens = _tokens(network, images[chosen])
        model = seeded(rng.child("token network"), lambda: self._model(network, width))
        generator = TokenImages(image, self, network, model)

        objective = Objective(
            "tokens", model, TokenLikelihood(model), MuonAdam(self.token_learning_rate), half_life=20_000
        )
        columns = [tokens] if conditions is None else [tokens, conditions]
        (around,) = Processes().mean([before + workspace.clock() - start])
        left = self._left(budget, seen, around)
        settings = Settings("tokens", batch=self.batch)
        train(
            [objective],
            columns,
            left,
            rng.child("tokens"),
            workspace,
            settings,
            drawing(generator, rng),
            weights=weights,
            examine=examining(generator, workspace),
        )
        _whole(network, model).requires_grad_(False)
        return generator

    @staticmethod
    def load(directory: Path) -> "TokenImages":
        """The generator that :meth:`TokenImages.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written.
        """
        with reading_pretrained(directory) as (config, tensors):
            settings = build(VQVAE, config["settings"], where=str(directory / "config.json"))
            image = ImageSpec(**config["image"])
            network = settings._autoencoder(image)
            model = settings._model(network, config["condition_dim"])
            whole = _whole(network, model)
            whole.load_state_dict(tensors)
            whole.requires_grad_(False)
        return TokenImages(image, settings, network, model)

    def _autoencoder(self, image: ImageSpec) -> TokenAutoencoder:
        levels = self.levels or ((8, 6, 5) if image.size < 64 else (8, 5, 5, 5))
        return TokenAutoencoder(image, levels, self.widths)

    def _model(self, network: TokenAutoencoder, condition_dim: int) -> TokenModel:
        return TokenModel(network.tokens, network.levels, self.token_width, self.token_layers, condition_dim)

    def _fit_autoencoder(
        self,
        network: TokenAutoencoder,
        images: UInt8[np.ndarray, "n c h w"],
        annotations: Annotations,
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
    ) -> Clock:
        objective = Objective(
            "autoencoder", network, GivingBack(network), MuonAdam(self.learning_rate), half_life=10_000
        )

        def preview(path: Path) -> None:
            device = next(network.parameters()).device
            again = network.decode(network.encode(to_pixels(torch.from_numpy(images[:32].copy()).to(device))))
            pairs = np.stack([images[:32], to_bytes((again + 1) / 2)], axis=1).reshape(-1, *images.shape[1:])
            contact_sheet(pairs, columns=8).save(path, compress_level=1)

        seconds = None if budget.seconds is None else budget.seconds * (1 - self.token_share)
        settings = Settings("autoencoder", batch=self.batch)
        first = Budget(seconds, budget.images)
        return train([objective], [images], first, rng, workspace, settings, preview, weights=annotations.weights).clock

    def _left(self, budget: Budget, seen: Clock, seconds: float) -> Budget:
        """What the token model may use, after the autoencoder's part and ``seconds`` around it."""
        images = None
        if budget.images is not None:
            images = max(1, round(budget.images * self.token_share / (1 - self.token_share)))
        if budget.seconds is None:
            return Budget(images=images)
        return Budget(max(budget.seconds - seen.seconds - seconds, 0.01 * budget.seconds), images)


class TokenImages(Generator):
    """G(z) = decoder(tokens drawn with z): what :class:`VQVAE` fits. Deterministic, without gradients in z."""

    def __init__(self, image: ImageSpec, settings: VQVAE, network: TokenAutoencoder, model: TokenModel):
        self.image = image
        self.settings = settings
        self.network = network.eval()
        self.model = model.eval()
        self.latent_dim = network.tokens * len(network.levels)
        self.condition_dim = model.condition_dim
        self.capabilities = Capabilities(
            differentiable=False, encodable=True, conditional=self.condition_dim > 0, one_step=False
        )

    @torch.no_grad()
    def decode(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] of the latents, on the device of the latents.

        Raises:
            BadConfiguration: latents of another width, or a condition of another shape or where none is known.
        """
        check_latents(latents, self.latent_dim)
        told = check_condition(condition, len(latents), self.condition_dim, self._device)
        levels = self.model.draw(latents.to(self._device), told, self.settings.temperature)
        return ((self.network.decode(levels) + 1) / 2).clamp(0, 1).to(latents.device)

    def encode(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Codes of images in [0, 1] before they are rounded, each channel of each token in [−1, 1]; differentiable."""
        codes = self.network.codes(2 * images.to(self._device) - 1)
        quantise = self.network.quantise
        return quantise.scaled(quantise.bounded(codes)).flatten(1).to(images.device)

    def reconstruct(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] after encoding, rounding and decoding: the best this generator could do for each of them."""
        decoded = self.network.decode(self.network.encode(2 * images.to(self._device) - 1))
        return ((decoded + 1) / 2).clamp(0, 1).to(images.device)

    def continued(self) -> ContinuedTokens:
        """A copy whose token model goes on training; what the tokens look like stays as it is."""
        return ContinuedTokens(self)

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of the weights."""
        return sha256(packed(_whole(self.network, self.model).state_dict())).hexdigest()[:16]

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and ``weights.safetensors``; :meth:`VQVAE.load` reads them back."""
        described = {
            "settings": asdict(self.settings),
            "image": asdict(self.image),
            "condition_dim": self.condition_dim,
        }
        write_pretrained(directory, _KIND, described, packed(_whole(self.network, self.model).state_dict()))

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def _whole(network: TokenAutoencoder, model: TokenModel) -> nn.ModuleDict:
    return nn.ModuleDict({"autoencoder": network, "tokens": model})


@torch.no_grad()
def _tokens(network: TokenAutoencoder, images: UInt8[np.ndarray, "n c h w"]) -> Float[np.ndarray, "n t k"]:
    """The levels of all images, in main memory, as floats: derived, so a checkpoint does not ask for the same bits."""
    device = next(network.parameters()).device
    batches = (torch.from_numpy(images[start : start + 256]).to(device) for start in range(0, len(images), 256))
    return np.concatenate([network.encode(to_pixels(batch)).cpu().numpy().astype(np.float16) for batch in batches])
