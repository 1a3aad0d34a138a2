"""A bandit over strategies: exponential weights with exploration, whose memory fades."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Exp3:
    """Exponential weights with exploration (Auer et al. 2002, figure 2), whose memory fades.

    A turn is what passes between two judgements. With K arms: p_a = (1 − γ)·exp(w_a)/Σexp(w) + γ/K, and after the turn
    w_a ← ρ·w_a + η·s_a·g/p_a, where g is the gain of the turn, s_a the share of its pairs that arm a chose, and
    s_a/p_a makes the estimate unbiased. ρ = 1 forgets nothing.
    """

    exploration: float
    rate: float
    discount: float

    def probabilities(self, weights: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """Of the arms; each at least γ/K."""
        shares = np.exp(weights - weights.max())
        return (1 - self.exploration) * shares / shares.sum() + self.exploration / len(weights)

    def updated(
        self, weights: Float[np.ndarray, " k"], shares: Float[np.ndarray, " k"], gain: float
    ) -> Float[np.ndarray, " k"]:
        """The weights after a turn."""
        return self.discount * weights + self.rate * shares * gain / self.probabilities(weights)
