"""A generator that looks, for every latent, for a better one nearby."""

import math
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.config import build
from penchant.core.contracts import Generator, Reward
from penchant.core.errors import StudyDamaged
from penchant.core.pretrained import load_generator, load_reward, read_config, write_config

BATCH = 64
LONGEST = 0.3
"""The first step, in radii; the last is none."""
TINY = 1e-12


@dataclass(frozen=True)
class Search:
    """How each latent is searched: within ``radius`` of it, or at a price of ``beta`` for ½‖z − u‖².

    ``gradients``: follow them; else ``population`` random steps are tried each time and the best is kept.
    """

    steps: int
    radius: float
    beta: float
    norm_weight: float
    gradients: bool
    population: int
    seed: int


class SearchedGenerator(Generator):
    """u → G(z), where z is the best latent that a search from u finds. The same latent always gives the same image.

    An image costs ``steps`` passes forwards and backwards (or ``steps × population`` forwards); there are no gradients.
    """

    def __init__(self, base: Generator, reward: Reward, search: Search):
        self.base = base
        self.reward = reward
        self.search = search
        self.latent_dim = base.latent_dim
        self.image = base.image
        self.condition_dim = base.condition_dim
        self.capabilities = replace(base.capabilities, differentiable=False, one_step=False)

    def decode(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n c h w"]:
        """The images found."""
        found = self.find(latents, condition)
        with torch.no_grad():
            return self.base.decode(found, condition)

    def find(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n z"]:
        """The best latent found from each given one; never worse than it, and itself where rewards are not finite."""
        # A condition speaks of the whole batch, so it is then searched in one piece.
        size = BATCH if condition is None else max(1, len(latents))
        look = self._climb if self.search.gradients else self._try
        return torch.cat([look(batch, condition) for batch in latents.detach().split(size)])

    def encode(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """The original's codes."""
        return self.base.encode(images)

    def prompted(self, text: str) -> Float[Tensor, "1 c"]:
        """As the original understands the words."""
        return self.base.prompted(text)

    def save_pretrained(self, directory: Path) -> None:
        """Write how to search, the original in ``base/`` and the reward in ``reward/``."""
        write_config(directory, "alignment/noise_search", {"search": asdict(self.search)})
        self.base.save_pretrained(directory / "base")
        self.reward.save_pretrained(directory / "reward")

    @staticmethod
    def load(directory: Path) -> "SearchedGenerator":
        """What :meth:`save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing or does not say what it should.
        """
        config = read_config(directory)
        if not isinstance(config.get("search"), dict):
            raise StudyDamaged(f"{directory / 'config.json'} does not say how to search")
        search = build(Search, config["search"], where=str(directory / "config.json"))
        base = load_generator(directory / "base")
        reward = load_reward(directory / "reward", base.encode if base.capabilities.encodable else None)
        return SearchedGenerator(base, reward, search)

    def _climb(self, u: Tensor, condition: Any) -> Tensor:
        """Steepest ascent with steps of shrinking length, each latent by itself, back into the ball after each."""
        z, best, highest = u.clone(), u.clone(), torch.full((len(u),), -math.inf, device=u.device)
        for step in range(self.search.steps + 1):
            at = z.detach().requires_grad_()
            with torch.enable_grad():
                values = self._value(at, u, condition)
                (slope,) = torch.autograd.grad(values.sum(), at)
            best, highest = _better(best, highest, at.detach(), values.detach())
            slope = slope.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
            reach = torch.full((len(u), 1), self._length(step), device=u.device) / slope.norm(
                dim=1, keepdim=True
            ).clamp(TINY)
            if self.search.beta > 0:
                reach = reach.clamp(max=1 / self.search.beta)
            z = self._within(at.detach() + reach * slope, u)
        return best

    @torch.no_grad()
    def _try(self, u: Tensor, condition: Any) -> Tensor:
        """(1 + population) evolution: random steps of shrinking length from the best so far."""
        best, highest = u.clone(), self._value(u, u, condition).nan_to_num(nan=-math.inf)
        draws = [self._draws(latent) for latent in u]
        for step in range(self.search.steps):
            length = self._length(step) / math.sqrt(u.shape[1])
            for _ in range(self.search.population):
                noise = torch.stack([torch.randn(u.shape[1], generator=draw) for draw in draws]).to(u)
                tried = self._within(best + length * noise, u)
                best, highest = _better(best, highest, tried, self._value(tried, u, condition))
        return best

    def _value(self, z: Tensor, u: Tensor, condition: Any) -> Tensor:
        """Reward, less the price of the way, plus the log density of ‖z‖ (a χ distribution), per latent."""
        value = self.reward(self.base.decode(z, condition)).to(z)
        if self.search.beta > 0:
            value = value - self.search.beta * 0.5 * (z - u).square().sum(dim=1)
        if self.search.norm_weight > 0:
            square = z.square().sum(dim=1).clamp(min=TINY)
            value = value + self.search.norm_weight * 0.5 * ((z.shape[1] - 1) * square.log() - square)
        return value

    def _length(self, step: int) -> float:
        whole = self.search.radius if math.isfinite(self.search.radius) else math.sqrt(self.latent_dim)
        return LONGEST * whole * (1 - step / (self.search.steps + 1))

    def _within(self, z: Tensor, u: Tensor) -> Tensor:
        way = z - u
        longest = way.norm(dim=1, keepdim=True).clamp(TINY)
        return u + way * (self.search.radius / longest).clamp(max=1.0)

    def _draws(self, latent: Tensor) -> torch.Generator:
        content = latent.to("cpu", torch.float32).contiguous().numpy().tobytes()
        digest = sha256(self.search.seed.to_bytes(8, "little") + content).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") % 2**63)


def _better(best: Tensor, highest: Tensor, tried: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The better of two latents in every row; a value that is not a number never wins."""
    values = values.nan_to_num(nan=-math.inf)
    won = values > highest
    return torch.where(won[:, None], tried, best), torch.where(won, values, highest)
