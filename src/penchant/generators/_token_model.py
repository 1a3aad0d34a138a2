"""What follows what in a grid of tokens: a small causal transformer, and drawing from it by given noise."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from penchant.generators._told import told_of
from penchant.training.objective import Batch, Clock, Loss

_HEADS = 4


class _Layer(nn.Module):
    """Attention to all tokens before, and a layer of its own for each token; both add to what is there."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked = nn.Linear(width, 3 * width)
        self.told = nn.Linear(width, width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        for layer in (self.told, self.narrow):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, x: Float[Tensor, "n t w"], before: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Float[Tensor, "n t w"], tuple[Tensor, Tensor]]:
        """The refined tokens, and keys and values so far; with those of ``before``, x is the one token after them."""
        query, key, value = (
            part.unflatten(2, (_HEADS, -1)).transpose(1, 2) for part in self.asked(self.first(x)).chunk(3, dim=2)
        )
        if before is not None:
            key, value = torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=before is None)
        x = x + self.told(seen.transpose(1, 2).flatten(2))
        return x + self.narrow(F.silu(self.wide(self.second(x)))), (key, value)


class TokenModel(nn.Module):
    """p(tokens) = Π p(level of channel c of token t | all tokens before t, channels before c of t).

    A token is a few channels of a few levels (finite scalar quantisation), so three small choices instead of one among
    hundreds: their levels have an order, which :meth:`draw` uses. A condition, where the model knows any, is added to
    every place; a row of NaN, or none at all, is no condition.
    """

    def __init__(self, tokens: int, levels: Sequence[int], width: int, layers: int, condition_dim: int = 0):
        super().__init__()
        self.tokens, self.levels, self.condition_dim = tokens, tuple(levels), condition_dim
        self.places = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.start = nn.Parameter(torch.zeros(width))
        self.embeddings = nn.ModuleList(nn.Embedding(count, width) for count in levels)
        self.within = nn.ModuleList(nn.Embedding(count, width) for count in levels[:-1])
        self.layers = nn.ModuleList(_Layer(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.choices = nn.ModuleList(nn.Linear(width, count) for count in levels)
        self.told = nn.Linear(condition_dim, width) if condition_dim else None
        for name, table in self.named_parameters():
            if name.startswith(("embeddings", "within")):
                nn.init.normal_(table, std=0.02)

    def forward(
        self, levels: Float[Tensor, "n t k"], condition: Float[Tensor, "n c"] | None = None
    ) -> list[Float[Tensor, "n t l"]]:
        """Logits of every channel's levels, each given the tokens and channels before it."""
        known = levels.long()
        before = torch.cat([self.start.expand(len(levels), 1, -1), self._embedded(known[:, :-1])], dim=1)
        x = before + self.places + self._told(condition)
        for layer in self.layers:
            x, _ = layer(x)
        return [self._logits(x, channel, known) for channel in range(len(self.levels))]

    @torch.no_grad()
    def draw(
        self, noise: Float[Tensor, "n z"], condition: Float[Tensor, "n c"] | None, temperature: float
    ) -> Float[Tensor, "n t k"]:
        """The levels that noise from N(0, I) stands for: one number a level, through the inverse of its distribution.

        Φ(noise) is uniform, and the level is where the cumulated probabilities pass it (inversion). So the same noise
        gives the same tokens, and since levels are in order, a little other noise mostly gives the same or the next.
        """
        uniform = torch.special.ndtr(noise.double()).unflatten(1, (self.tokens, len(self.levels)))
        drawn = noise.new_zeros(uniform.shape, dtype=torch.long)
        told = self._told(condition)
        x = self.start.expand(len(noise), 1, -1)
        kept: list[tuple[Tensor, Tensor] | None] = [None] * len(self.layers)
        for token in range(self.tokens):
            x = x + self.places[token] + told
            for index, layer in enumerate(self.layers):
                x, kept[index] = layer(x, kept[index])
            now = drawn[:, token : token + 1]  # a view: what is drawn is seen by the next channel
            for channel in range(len(self.levels)):
                logits = self._logits(x, channel, now)[:, 0].double() / temperature
                passed = logits.softmax(dim=1).cumsum(dim=1)[:, :-1] < uniform[:, token, channel, None]
                now[:, 0, channel] = passed.sum(dim=1)
            x = self._embedded(now)
        return drawn.to(noise.dtype)

    def _embedded(self, levels: Tensor) -> Float[Tensor, "n t w"]:
        tables = enumerate(self.embeddings)
        return torch.stack([table(levels[..., channel]) for channel, table in tables]).sum(dim=0)

    def _told(self, condition: Float[Tensor, "n c"] | None) -> Float[Tensor, "n 1 w"] | float:
        if self.told is None or condition is None:
            return 0.0
        known = condition.isfinite().all(dim=1, keepdim=True)
        return (known * self.told(condition.nan_to_num()))[:, None]

    def _logits(self, x: Float[Tensor, "n t w"], channel: int, levels: Tensor) -> Float[Tensor, "n t l"]:
        """Of one channel, given the places' states and the levels of the channels before."""
        for earlier, table in zip(range(channel), self.within, strict=False):
            x = x + table(levels[..., earlier])
        return self.choices[channel](F.silu(self.norm(x))).float()


class TokenLikelihood:
    """−log p(tokens), in nats a token. Columns are levels and, where there are any, conditions, some hidden."""

    def __init__(self, model: TokenModel):
        self.model = model

    def __call__(self, batch: Batch, noise: Generator, clock: Clock) -> Loss:
        levels = batch[0].float()
        logits = self.model(levels, *told_of((levels, *batch[1:]), noise))
        losses = [
            F.cross_entropy(scores.transpose(1, 2), levels[..., channel].long())
            for channel, scores in enumerate(logits)
        ]
        return Loss(torch.stack(losses).sum())
