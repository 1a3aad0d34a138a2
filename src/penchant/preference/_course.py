"""How a taste goes on over the votes: fading steadily, or broken once; and the evidence of votes under such a course.

The utility that vote i is about and that of vote j have the correlation R_ij, so votes have the prior covariance
K = (X Xᵀ)∘R + E Eᵀ, where X are the columns whose weights move and E those whose weights stay. All in the dual, with
t × t matrices, as in :class:`~penchant.preference._laplace.Dual`.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import solve_triangular

from penchant.preference._laplace import Dual, Evidence, find_mode
from penchant.preference._likelihood import Slopes, VoteLikelihood

Array = Float[np.ndarray, "..."]


class Memory(NamedTuple):
    """``among`` is R, ``now`` its column for the next vote, ``slope`` the derivative of R in the course's parameter."""

    among: Float[np.ndarray, "t t"]
    now: Float[np.ndarray, " t"]
    slope: Float[np.ndarray, "t t"]


class Course(Protocol):
    """A kind of change with one parameter that the evidence fits, normal around 0 with a ``spread``."""

    @property
    def spread(self) -> float:
        """Standard deviation of the parameter's prior."""
        ...

    def memory(self, parameter: float) -> Memory:
        """The correlations at a value of the parameter."""
        ...


@dataclass(frozen=True, eq=False)
class Fading:
    """Ornstein-Uhlenbeck drift: R = 2^(−|i − j| / half-life), the half-life being median·e^parameter.

    ``when`` are the numbers of the votes, from 0; the present is the vote numbered ``following``.
    """

    when: Int[np.ndarray, " t"]
    following: int
    median: float
    spread: float

    def half_life(self, parameter: float) -> float:
        """In votes."""
        return self.median * float(np.exp(parameter))

    def memory(self, parameter: float) -> Memory:
        """See :class:`Course`."""
        rate = np.log(2) / self.half_life(parameter)
        apart = rate * np.abs(self.when[:, None] - self.when)
        among = np.exp(-apart)
        return Memory(among, np.exp(-rate * (self.following - self.when)), among * apart)


@dataclass(frozen=True, eq=False)
class Broken:
    """A change of mind at the vote numbered ``at``: before and since, the taste correlates by tanh(parameter)."""

    when: Int[np.ndarray, " t"]
    at: int
    spread: float

    def memory(self, parameter: float) -> Memory:
        """See :class:`Course`."""
        since = self.when >= self.at
        kept = float(np.tanh(parameter))
        across = since[:, None] != since
        return Memory(np.where(across, kept, 1.0), np.where(since, 1.0, kept), np.where(across, 1 - kept**2, 0.0))


class Remembered(Dual):
    """The dual of X, E and a memory: its kernel is K, and its utility differences are each in their own time.

    Its weights ω are those of the present, then those that stay.
    """

    def __init__(self, moving: Float[np.ndarray, "t d"], staying: Float[np.ndarray, "t m"], memory: Memory):
        super().__init__(np.hstack([memory.now[:, None] * moving, staying]))
        self.moving, self.staying, self.memory = moving, staying, memory
        self.alike = moving @ moving.T
        self.kernel = self.alike * memory.among + staying @ staying.T

    def inner(self, weights: Array) -> tuple[float, Float[np.ndarray, "t t"]]:
        """Log|I + W½KW½|, and Q with QᵀQ = (K + W⁻¹)⁻¹."""
        root = np.sqrt(weights)
        lower = np.linalg.cholesky(self._balanced(root))
        return 2 * float(np.log(np.diag(lower)).sum()), solve_triangular(lower, np.diag(root), lower=True)

    def push(self, curvature: Array, sensitivity: Array) -> Array:
        """v = (I + HK)⁻¹·sensitivity: how the mode answers; H may have negative entries."""
        return np.linalg.solve(self._unit + curvature[:, None] * self.kernel, sensitivity)


def remembered_evidence(
    moving: Float[np.ndarray, "t d"],
    staying: Float[np.ndarray, "t m"],
    memory: Memory,
    ties: Bool[np.ndarray, " t"],
    likelihood: VoteLikelihood,
    start: Array | None = None,
    *,
    offset: Array | float = 0.0,
    weights: Array | float = 1.0,
    single: Bool[np.ndarray, " t"] | None = None,
) -> tuple[Evidence, float]:
    """The Laplace evidence with a memory, and its derivative in the memory's parameter.

    ``offset``, ``weights`` and ``single`` as in :func:`~penchant.preference._laplace.evidence`.

    Every derivative is ½·Σ G∘∂K with G = ααᵀ − (K + W⁻¹)⁻¹ + vαᵀ + αvᵀ: the first two with the mode held (Rasmussen &
    Williams 2006, equation 5.22), the others since the mode moves and with it W. Cost t³ + t²·d.
    """
    system = Remembered(moving, staying, memory)
    if single is not None:
        offset = offset + likelihood.margin * single
    mode = find_mode(system, ties, likelihood, start, offset=offset, weights=weights)
    terms, alpha, field = mode.terms, mode.coefficients, mode.field + offset
    log_determinant, root = system.inner(terms.information)
    inverse = root.T @ root
    by_vote = np.diag(system.kernel) - ((root @ system.kernel) ** 2).sum(0)
    push = system.push(terms.curvature, -0.5 * terms.information_slope * by_vote)
    outer = np.outer(push, alpha)
    gradient = np.outer(alpha, alpha) - inverse + outer + outer.T
    by_moving = (moving * ((gradient * memory.among) @ moving)).sum(0)
    by_staying = (staying * (gradient @ staying)).sum(0)

    def along(slopes: Slopes, rows: Array | float) -> float:
        explicit = (slopes.log_probability * rows).sum() - 0.5 * (slopes.information * rows * by_vote).sum()
        return float(explicit + push @ (system.kernel @ (slopes.gradient * rows)))

    paired = weights if single is None else weights * ~single
    found = Evidence(
        mode.objective - 0.5 * log_determinant,
        np.concatenate([by_moving, by_staying]),
        along(likelihood.by_lapse(field, ties), weights) if likelihood.lapse > 0 else 0.0,
        along(likelihood.by_margin(field, ties), paired) if likelihood.margin > 0 else 0.0,
        alpha,
    )
    return found, 0.5 * float((gradient * system.alike * memory.slope).sum())


def present_belief(
    moving: Float[np.ndarray, "t d"],
    staying: Float[np.ndarray, "t m"],
    memory: Memory,
    ties: Bool[np.ndarray, " t"],
    likelihood: VoteLikelihood,
    *,
    offset: Array | float = 0.0,
    weights: Array | float = 1.0,
    width: int | None = None,
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k k"]]:
    """Mean and a square root of the covariance of the whitened weights as they are now: the first ``width``, all that
    move by default.

    With r the memory's column for the next vote and P = (diag(r)X, E): Pᵀα and I − Pᵀ (K + W⁻¹)⁻¹ P.
    """
    system = Remembered(moving, staying, memory)
    mode = find_mode(system, ties, likelihood, offset=offset, weights=weights)
    _, root = system.inner(mode.terms.information)
    count = moving.shape[1] if width is None else width
    known = root @ system.design[:, :count]
    return mode.omega[:count], np.linalg.cholesky(np.eye(count) - known.T @ known)
