"""The Laplace approximation of a linear utility under votes: its mode, its evidence, and the evidence's gradient.

Everything is in whitened weights ω ~ N(0, I) with f = Xω, where column j of X is the feature difference times its
prior scale s_j. Two twins do the linear algebra: :class:`Dual` with t × t matrices (fewer votes than features) and
:class:`Primal` with d × d ones.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import get_lapack_funcs, solve_triangular

from penchant.preference._likelihood import Slopes, Terms, VoteLikelihood

Array = Float[np.ndarray, "..."]

(_posv,) = get_lapack_funcs(("posv",), dtype=np.float64)


class System(Protocol):
    """The linear algebra of one design X; coefficients c are what Newton's method moves: ω (primal) or α (dual)."""

    size: int

    def newton(self, weights: Array, target: Array) -> Array:
        """Coefficients of ω = (I + XᵀWX)⁻¹ Xᵀ·target."""
        ...

    def field(self, coefficients: Array) -> Array:
        """f = Xω."""
        ...

    def omega(self, coefficients: Array) -> Array:
        """The whitened weights ω."""
        ...

    def energy(self, coefficients: Array, field: Array) -> float:
        """|ω|², at the field f of the coefficients."""
        ...


class Twin(System, Protocol):
    """What the evidence needs besides."""

    def spread(self, weights: Array) -> tuple[float, Array, Array]:
        """Log|B|, the diagonals of X B⁻¹ Xᵀ and of B⁻¹, where B = I + XᵀWX."""
        ...

    def log_determinant(self, weights: Array) -> float:
        """Log|B| alone."""
        ...

    def adjoint(self, curvature: Array, sensitivity: Array) -> Array:
        """(I + XᵀHX)⁻¹ Xᵀ·sensitivity: how the mode answers to a push; H may have negative entries."""
        ...


class Primal:
    """d × d matrices: for more votes than features. Cost t·d² + d³/3."""

    def __init__(self, design: Float[np.ndarray, "t d"]):
        self.design = design
        self.size = design.shape[1]
        self._unit = np.eye(self.size)

    def newton(self, weights: Array, target: Array) -> Array:
        """See :class:`System`."""
        return _solved(self._precision(weights), self.design.T @ target)

    def field(self, coefficients: Array) -> Array:
        """See :class:`System`."""
        return self.design @ coefficients

    def omega(self, coefficients: Array) -> Array:
        """See :class:`System`."""
        return coefficients

    def energy(self, coefficients: Array, field: Array) -> float:
        """See :class:`System`."""
        return float(coefficients @ coefficients)

    def spread(self, weights: Array) -> tuple[float, Array, Array]:
        """See :class:`Twin`."""
        lower = np.linalg.cholesky(self._precision(weights))
        inverse = solve_triangular(lower, self._unit, lower=True)
        by_vote = self.design @ inverse.T
        return 2 * float(np.log(np.diag(lower)).sum()), (by_vote**2).sum(1), (inverse**2).sum(0)

    def log_determinant(self, weights: Array) -> float:
        """See :class:`Twin`."""
        return 2 * float(np.log(np.diag(np.linalg.cholesky(self._precision(weights)))).sum())

    def adjoint(self, curvature: Array, sensitivity: Array) -> Array:
        """See :class:`Twin`."""
        return np.linalg.solve(self._precision(curvature), self.design.T @ sensitivity)

    def _precision(self, weights: Array) -> Array:
        if (weights < 0).any():
            return self._unit + (self.design.T * weights) @ self.design
        scaled = np.sqrt(weights)[:, None] * self.design
        return self._unit + scaled.T @ scaled  # of a matrix and its own transpose only half is computed


class Dual:
    """t × t matrices: for fewer votes than features (Rasmussen & Williams 2006, algorithms 3.1 and 5.1)."""

    def __init__(self, design: Float[np.ndarray, "t d"]):
        self.design = design
        self.size = len(design)
        self.kernel = design @ design.T
        self._unit = np.eye(self.size)

    def newton(self, weights: Array, target: Array) -> Array:
        """See :class:`System`; α with ω = Xᵀα."""
        root = np.sqrt(weights)
        inner = _solved(self._balanced(root), root * (self.kernel @ target))
        return target - root * inner

    def field(self, coefficients: Array) -> Array:
        """See :class:`System`."""
        return self.kernel @ coefficients

    def omega(self, coefficients: Array) -> Array:
        """See :class:`System`."""
        return self.design.T @ coefficients

    def energy(self, coefficients: Array, field: Array) -> float:
        """See :class:`System`; αᵀKα."""
        return float(coefficients @ field)

    def spread(self, weights: Array) -> tuple[float, Array, Array]:
        """See :class:`Twin`."""
        root = np.sqrt(weights)
        lower = np.linalg.cholesky(self._balanced(root))
        half = solve_triangular(lower, root[:, None] * self._unit, lower=True)
        by_vote = np.diag(self.kernel) - ((half @ self.kernel) ** 2).sum(0)
        by_column = 1 - ((half @ self.design) ** 2).sum(0)
        return 2 * float(np.log(np.diag(lower)).sum()), by_vote, by_column

    def log_determinant(self, weights: Array) -> float:
        """See :class:`Twin`."""
        return 2 * float(np.log(np.diag(np.linalg.cholesky(self._balanced(np.sqrt(weights))))).sum())

    def adjoint(self, curvature: Array, sensitivity: Array) -> Array:
        """See :class:`Twin`."""
        return self.design.T @ np.linalg.solve(self._unit + curvature[:, None] * self.kernel, sensitivity)

    def _balanced(self, root: Array) -> Array:
        return self._unit + root[:, None] * self.kernel * root


def _solved(matrix: Array, right: Array) -> Array:
    """The solution for a positive definite matrix, by Cholesky; LAPACK itself, since matrices are small and many."""
    _, solution, fault = _posv(matrix, right)
    if fault:
        raise np.linalg.LinAlgError(f"the matrix is not positive definite: LAPACK's posv says {fault}")
    return solution


def system_of(design: Float[np.ndarray, "t d"]) -> Twin:
    """The cheaper of the twins."""
    return Dual(design) if len(design) < design.shape[1] else Primal(design)


@dataclass(frozen=True)
class Mode:
    """Where the posterior of ω has its maximum; ``objective`` is log p(votes | ω) − |ω|²/2 there."""

    coefficients: Array
    omega: Array
    field: Array
    terms: Terms
    objective: float


def find_mode(
    system: System,
    ties: Bool[np.ndarray, " t"],
    likelihood: VoteLikelihood,
    start: Array | None = None,
    *,
    offset: Array | float = 0.0,
    weights: Array | float = 1.0,
    steps: int = 100,
    accuracy: float = 1e-6,
) -> Mode:
    """Newton's method with step halving, from the coefficients ``start`` or from 0.

    A vote's utility difference is f + ``offset``, and it counts ``weights`` times.

    The curvature serves where it is positive and the Fisher information elsewhere, so a step always goes uphill.
    """

    def mode_at(coefficients: Array) -> Mode:
        omega, field = system.omega(coefficients), system.field(coefficients)
        terms = Terms._make(part * weights for part in likelihood.terms(field + offset, ties))
        log_probability = float(terms.log_probability.sum())
        return Mode(coefficients, omega, field, terms, log_probability - 0.5 * system.energy(coefficients, field))

    mode = mode_at(np.zeros(system.size) if start is None else start)
    for _ in range(steps):
        terms = mode.terms
        curvature = np.where(terms.curvature > 0, terms.curvature, terms.information)
        step = system.newton(curvature, curvature * mode.field + terms.gradient) - mode.coefficients
        best = None
        for halving in range(20):
            tried = mode_at(mode.coefficients + 0.5**halving * step)
            # Rounding hides gains this small; without the slack the mode would stop half its digits short.
            if tried.objective > mode.objective - 1e-12 * abs(mode.objective):
                best = tried
                break
        if best is None:
            return mode
        moved = float(np.abs(best.field - mode.field).max())
        mode = best
        if moved < accuracy:
            return mode
    return mode


@dataclass(frozen=True)
class Evidence:
    """Log marginal likelihood, log Z ≈ Ψ(ω̂) − ½ log|I + XᵀWX|, with its exact derivatives.

    ``by_column`` is the gradient in log s_j; that of a scale shared by columns is their sum. ``coefficients`` are the
    mode's, for the next search to start from.
    """

    value: float
    by_column: Float[np.ndarray, " d"]
    by_lapse: float
    by_margin: float
    coefficients: Array


def evidence(
    design: Float[np.ndarray, "t d"],
    ties: Bool[np.ndarray, " t"],
    likelihood: VoteLikelihood,
    start: Array | None = None,
    *,
    offset: Array | float = 0.0,
    weights: Array | float = 1.0,
    single: Bool[np.ndarray, " t"] | None = None,
) -> Evidence:
    """The Laplace evidence of X = ``design`` and its gradient (Rasmussen & Williams 2006, section 5.5.1).

    ``offset`` and ``weights`` as in :func:`find_mode`; rows that are ``single`` have no margin: p = σ(f) for them. The
    gradient has an explicit part (ω held) and an implicit one (the mode moves, which changes W). For 60 votes and
    100 features well under a millisecond.
    """
    system = system_of(design)
    if single is not None:
        offset = offset + likelihood.margin * single
    mode = find_mode(system, ties, likelihood, start, offset=offset, weights=weights)
    terms, field = mode.terms, mode.field + offset
    log_determinant, by_vote, by_column = system.spread(terms.information)
    push = system.adjoint(terms.curvature, -0.5 * terms.information_slope * by_vote)

    def along(slopes: Slopes, rows: Array | float = 1.0) -> float:
        gradient, information = slopes.gradient * rows, slopes.information * rows
        explicit = (slopes.log_probability * rows).sum() - 0.5 * (information * by_vote).sum()
        return float(explicit + push @ (design.T @ gradient))

    paired = weights if single is None else weights * ~single
    return Evidence(
        mode.objective - 0.5 * log_determinant,
        mode.omega**2 - (1 - by_column) + 2 * push * mode.omega,
        along(likelihood.by_lapse(field, ties), weights) if likelihood.lapse > 0 else 0.0,
        along(likelihood.by_margin(field, ties), paired) if likelihood.margin > 0 else 0.0,
        mode.coefficients,
    )
