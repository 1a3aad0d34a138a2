"""Versions at less than their full strength, without training: what the gallery's slider shows."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import UInt8

from penchant.alignment import turned_down
from penchant.alignment.best_of_n import BestOfGenerator
from penchant.alignment.latent_tilt import TiltedGenerator
from penchant.core.contracts import Generator, Report, Voter, silent
from penchant.core.errors import BadConfiguration
from penchant.data import to_uint8
from penchant.study.frontier import Row, frontier
from penchant.study.settling import turned_up
from penchant.study.study import Study

_STEPS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
"""Strengths people can tell apart, as "like the best of N"; 1 is the generator before any alignment."""


@dataclass
class Strengths:
    """The images of a version's candidates at any strength up to its own, from the same latents.

    A tilt is turned down to the dial that costs log N − (N−1)/N nats (a root search of about half a second, once a
    strength, with exact KL); best of N draws fewer candidates. Other aligners have two strengths: none, and their own.
    """

    study: Study
    _made: dict[tuple[int, float], Generator] = field(default_factory=dict[tuple[int, float], Generator])

    def of(self, version: int) -> tuple[float, ...]:
        """The strengths a version can be seen at, from 1 (before) to its own."""
        own = float(self.study.versions.named(version).figures.get("like_best_of", 1.0))
        if own <= 1:
            return (1.0,)
        dialled = isinstance(self.study.generator(version), TiltedGenerator | BestOfGenerator)
        return (1.0, *(float(step) for step in _STEPS if step < own and dialled), own)

    def images(self, version: int, rows: list[int], like_best_of: float) -> UInt8[np.ndarray, "n c h w"]:
        """Candidates of the version's pool, as they are at that strength.

        Raises:
            BadConfiguration: the version is not seen at that strength, or has no such candidate.
        """
        known, pool = self.of(version), self.study.versions.pool(version)
        if like_best_of not in known:
            listed = ", ".join(f"{strength:g}" for strength in known)
            raise BadConfiguration(f"version {version} is seen like the best of {listed}; found {like_best_of:g}")
        if any(not 0 <= row < len(pool) for row in rows):
            raise BadConfiguration(f"version {version} has the candidates 0 to {len(pool) - 1}; found {rows}")
        if like_best_of == known[-1]:
            return np.asarray(pool.images[rows])
        latents = torch.from_numpy(np.asarray(pool.latents[rows], dtype=np.float32))
        with torch.no_grad():
            return to_uint8(self._at(version, like_best_of).decode(latents))

    def _at(self, version: int, like_best_of: float) -> Generator:
        if like_best_of == 1:
            return self.study.generator("base")
        if (version, like_best_of) not in self._made:
            rng = self.study.rng.child("strength", version)
            found = turned_down(self.study.generator(version), like_best_of, rng)
            if found is None:
                raise BadConfiguration(f"version {version} has no strength between none and its own")
            self._made[version, like_best_of] = found
        return self._made[version, like_best_of]


def measured(study: Study, version: int, voter: Voter | None, report: Report = silent) -> list[Row]:
    """The frontier of an aligned version: up to its own strength, or all that was looked at where it was chosen.

    With the hidden taste of ``voter`` beside it, where that is known. Rows as :func:`penchant.study.frontier.frontier`
    gives them; none for the base.
    """
    figures = study.versions.named(version).figures
    own = float(figures.get("like_best_of", 1.0))
    if own <= 1:
        return []
    looked = [row["like_best_of"] for row in figures.get("strengths") or ()]
    full = study.generator(version)
    if looked:
        full, _ = turned_up(full, own)
    of = figures.get("of")
    gold = None if voter is None else voter.utility
    ground = replace(study.ground(study.reward(of), of), gold=gold)
    rng = study.rng.child("strengths", version)
    return frontier(full, max([own, *looked]), study.generator("base"), ground, rng, report)
