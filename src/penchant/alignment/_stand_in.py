"""A small network that stands in for generator and reward, hundreds of times cheaper to follow than they are."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from penchant.alignment._transport import seeded_linear
from penchant.core.contracts import FeatureReward, Generator, Reward
from penchant.core.rng import Rng

_AT_ONCE = 128
_BATCH = 128
_LEARNING_RATE = 2e-3
_DECAY = 1e-2


@dataclass(frozen=True)
class Seen:
    """What latents came to: the outputs that the reward is a function of, the reward, and its gradient."""

    latents: Float[Tensor, "n z"]
    outputs: Float[Tensor, "n k"]
    rewards: Float[Tensor, " n"]
    slopes: Float[Tensor, "n z"]

    def __len__(self) -> int:
        return len(self.latents)

    def part(self, start: int, stop: int) -> "Seen":
        """Some of the rows."""
        rows = slice(start, stop)
        return Seen(self.latents[rows], self.outputs[rows], self.rewards[rows], self.slopes[rows])

    def with_more(self, more: "Seen") -> "Seen":
        """Both, one after the other."""
        return Seen(
            torch.cat([self.latents, more.latents]),
            torch.cat([self.outputs, more.outputs]),
            torch.cat([self.rewards, more.rewards]),
            torch.cat([self.slopes, more.slopes]),
        )


def look(generator: Generator, reward: Reward, latents: Float[Tensor, "n z"]) -> Seen:
    """Decode and reward the latents, forwards and backwards; rows that are not finite are left out."""
    parts = [_look(generator, reward, part) for part in latents.split(_AT_ONCE)]
    seen = Seen(*(torch.cat(columns) for columns in zip(*parts, strict=True)))
    whole = torch.stack([column.flatten(1).isfinite().all(1) for column in (seen.outputs, seen.slopes)]).all(0)
    whole &= seen.rewards.isfinite()
    return Seen(seen.latents[whole], seen.outputs[whole], seen.rewards[whole], seen.slopes[whole])


def _look(generator: Generator, reward: Reward, latents: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    at = latents.detach().requires_grad_()
    images = generator.decode(at)
    if isinstance(reward, FeatureReward):
        outputs = reward.extractor(images)
        rewards = reward.of_features(outputs)
    else:
        rewards = reward(images)
        outputs = rewards[:, None]
    (slopes,) = torch.autograd.grad(rewards.sum(), at)
    return latents.detach(), outputs.detach(), rewards.detach(), slopes


class StandIn(nn.Module):
    """z → the reward, through the features that it is a function of where it tells them, which teach much more.

    Fitted to features, rewards and their gradients (Sobolev training, Czarnecki et al., arXiv 1706.04859). Two layers
    of ``width`` beside a linear map; a call costs next to nothing.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, reward: Reward, first: Seen, width: int, rng: Rng):
        super().__init__()
        inputs, outputs = first.latents.shape[1], first.outputs.shape[1]
        self.straight = seeded_linear(inputs, outputs, rng.child(0))
        self.curved = nn.Sequential(
            seeded_linear(inputs, width, rng.child(1)),
            nn.SiLU(),
            seeded_linear(width, width, rng.child(2)),
            nn.SiLU(),
            seeded_linear(width, outputs, rng.child(3)),
        )
        self.reward = reward
        self.register_buffer("centre", first.outputs.mean(0))
        spread = first.outputs.std(0)
        self.register_buffer("spread", torch.where(spread > 1e-6 * spread.max(), spread, 1.0))

    def forward(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, " n"]:
        """The reward, about."""
        return self._rewards(self._outputs(latents))

    def _outputs(self, latents: Tensor) -> Tensor:
        return self.straight(latents) + self.curved(latents)

    def _rewards(self, standardised: Tensor) -> Tensor:
        outputs = standardised * self.spread + self.centre
        return self.reward.of_features(outputs) if isinstance(self.reward, FeatureReward) else outputs[:, 0]

    def fit(self, seen: Seen, steps: int, rng: Rng) -> None:
        """Go on learning from everything that was seen."""
        optimiser = torch.optim.AdamW(self.parameters(), lr=_LEARNING_RATE, weight_decay=_DECAY)
        steepness, scale = seen.slopes.square().sum(1).mean(), seen.rewards.var()
        wanted = (seen.outputs - self.centre) / self.spread
        draws = rng.torch()
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = _LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
            rows = torch.randint(0, len(seen), (min(_BATCH, len(seen)),), generator=draws)
            at = seen.latents[rows].requires_grad_()
            outputs = self._outputs(at)
            rewards = self._rewards(outputs)
            (slopes,) = torch.autograd.grad(rewards.sum(), at, create_graph=True)
            loss = (
                (outputs - wanted[rows]).square().mean()
                + (rewards - seen.rewards[rows]).square().mean() / scale
                + (slopes - seen.slopes[rows]).square().sum(1).mean() / steepness
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def agreement(self, seen: Seen) -> float:
        """The mean cosine between its gradients and those seen: 0 for one that knows nothing."""
        at = seen.latents.detach().requires_grad_()
        (slopes,) = torch.autograd.grad(self(at).sum(), at)
        return float(torch.cosine_similarity(slopes, seen.slopes, dim=1).mean())
