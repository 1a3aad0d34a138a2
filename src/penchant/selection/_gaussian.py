"""A Gaussian over features, regularised so that it exists for few images too."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_RIDGE = 1e-3
"""Of the mean variance: keeps constant columns, and half precision, from deciding everything."""


@dataclass(frozen=True)
class Gaussian:
    """N(mean, Σ); ``whiten`` is W with WᵀΣW = I and ``log_scale`` is −½·log|2πΣ|."""

    mean: Float[np.ndarray, " d"]
    whiten: Float[np.ndarray, "d d"]
    log_scale: float

    @staticmethod
    def of(features: Float[np.ndarray, "n d"], spread: Float[np.ndarray, "n d"] | None = None) -> "Gaussian":
        """Around the mean of ``features``; the covariance is that of ``spread``, where another set tells it better."""
        wide = np.asarray(features if spread is None else spread, dtype=np.float64)
        centred = wide - wide.mean(0)
        covariance = centred.T @ centred / max(1, len(wide) - 1)
        width = len(covariance)
        ridge = _RIDGE * np.trace(covariance) / width or 1.0
        values, vectors = np.linalg.eigh(covariance + ridge * np.eye(width))
        values = np.maximum(values, ridge)
        return Gaussian(
            np.asarray(features, dtype=np.float64).mean(0).astype(np.float32),
            (vectors / np.sqrt(values)).astype(np.float32),
            float(-0.5 * (np.log(values).sum() + width * np.log(2 * np.pi))),
        )

    def log_density(self, features: Float[np.ndarray, "k d"]) -> Float[np.ndarray, " k"]:
        """log p(x) of every row."""
        white = (features - self.mean) @ self.whiten
        return self.log_scale - 0.5 * (white**2).sum(1)
