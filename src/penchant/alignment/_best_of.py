"""A generator that makes N images for every latent and keeps the one with the highest reward."""

import math
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Generator, Reward
from penchant.core.errors import StudyDamaged
from penchant.core.pretrained import load_generator, load_reward, read_config, write_config

IMAGES_A_PASS = 256


class BestOfGenerator(Generator):
    """u → the best of G(u), G(u₂), …, G(u_N), where u₂ … u_N are drawn from a seed made of u itself.

    So the same latent always shows the same image, whatever else is in the batch, a larger N chooses among the same
    candidates and more, and fresh latents give independent draws of best-of-N. An image costs N passes; there are no
    gradients (which of the N wins jumps).
    """

    def __init__(self, base: Generator, reward: Reward, candidates: int, seed: int):
        self.base = base
        self.reward = reward
        self.candidates = candidates
        self.seed = seed
        self.latent_dim = base.latent_dim
        self.image = base.image
        self.condition_dim = base.condition_dim
        self.capabilities = replace(base.capabilities, differentiable=False, one_step=False)

    def decode(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n c h w"]:
        """The winners' images."""
        with torch.no_grad():
            return self.base.decode(self.choose(latents, condition), condition)

    @torch.no_grad()
    def choose(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n z"]:
        """The latent that wins for each given one; of equal rewards the first, and a reward of NaN never wins."""
        best = latents.detach().clone()
        highest = torch.full((len(latents),), -math.inf)
        # A condition speaks of the whole batch, so candidates are then scored one rank at a time.
        ranks = 1 if condition is not None else max(1, IMAGES_A_PASS // max(1, len(latents)))
        for group in torch.split(self._candidates(latents), ranks, dim=1):
            images = self.base.decode(group.transpose(0, 1).flatten(0, 1), condition)
            rewards = (
                self.reward(images).float().cpu().nan_to_num(nan=-math.inf).unflatten(0, (group.shape[1], len(latents)))
            )
            top, rank = rewards.max(dim=0)
            better = top > highest
            highest = torch.where(better, top, highest)
            best[better] = group[torch.arange(len(latents)), rank][better]
        return best

    def encode(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """The original's codes."""
        return self.base.encode(images)

    def prompted(self, text: str) -> Float[Tensor, "1 c"]:
        """As the original understands the words."""
        return self.base.prompted(text)

    def save_pretrained(self, directory: Path) -> None:
        """Write N and the seed, the original in ``base/`` and the reward in ``reward/``."""
        write_config(directory, "alignment/best_of_n", {"candidates": self.candidates, "seed": self.seed})
        self.base.save_pretrained(directory / "base")
        self.reward.save_pretrained(directory / "reward")

    @staticmethod
    def load(directory: Path) -> "BestOfGenerator":
        """What :meth:`save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing or does not say what it should.
        """
        config = read_config(directory)
        try:
            candidates, seed = int(config["candidates"]), int(config["seed"])
        except (KeyError, TypeError, ValueError) as error:
            raise StudyDamaged(f"{directory / 'config.json'} does not describe a best of N: {error}") from None
        base = load_generator(directory / "base")
        reward = load_reward(directory / "reward", base.encode if base.capabilities.encodable else None)
        return BestOfGenerator(base, reward, candidates, seed)

    def _candidates(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n k z"]:
        candidates = latents.new_empty(len(latents), self.candidates, self.latent_dim)
        for row, latent in zip(candidates, latents.detach(), strict=True):
            row[0], row[1:] = latent, self._further(latent)
        return candidates

    def _further(self, latent: Float[Tensor, " z"]) -> Float[Tensor, "k z"]:
        content = latent.to("cpu", torch.float32).contiguous().numpy().tobytes()
        digest = sha256(self.seed.to_bytes(8, "little") + content).digest()
        draws = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
        numbers = draws.standard_normal((self.candidates - 1, self.latent_dim), dtype=np.float32)
        return torch.from_numpy(numbers).to(latent)
