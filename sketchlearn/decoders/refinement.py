"""What decoders share: weights by non-negative least squares, and the joint adjustment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Self, final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls

from sketchlearn._progress import tell, tell_cost
from sketchlearn.decoders.descent import descend
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.settings import Settings
from sketchlearn.optim.lbfgs import minimise

# Relative to the mean squared norm: what separates atoms that are equal.
RIDGE = 1e-6
# Least weight, as a fraction of an equal share of all, and least sum of weights, that an atom's
# variables are scaled for.
LEAST_SHARE, LEAST_SUM = 0.05, 1e-3

Shapes = Literal["fixed", "shared", "free"]


@final
@dataclass(frozen=True)
class RefiningSettings(Settings):
    """How long joint adjustments are, and what they are told beside the sketch.

    Attributes
    ----------
    n_few : int
        Iterations of an adjustment after which candidates are compared, or atoms added or dropped;
        and most steps of a climb to a mode.
    n_many : int
        Of one that may end by its tolerance.
    shape_precision : float
        Inverse variance of a shape parameter, a logarithm of a variance, around the atoms' median:
        what the sketch does not determine would collapse onto noise.
    """

    n_few: int = 20
    n_many: int = 100
    shape_precision: float = 4.0


REFINING = RefiningSettings()


def solve_nonnegative(target: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Return weights (k,) >= 0 that minimise ``||z - alpha @ atoms||``, from the Gram matrix.

    Parameters
    ----------
    target : ndarray of shape (2 m,)
        z, float64.
    atoms : ndarray of shape (k, 2 m)
        Their sketches.
    """
    return _solve_from_products(compute_gram_matrix(atoms), atoms.astype(np.float64) @ target)


def compute_gram_matrix(atoms: np.ndarray) -> np.ndarray:
    """Return the atoms' inner products (k, k), ridge added so that equal ones can be solved for."""
    # Rounded to float32, the matrix of nearly equal atoms would not be positive definite.
    atoms = atoms.astype(np.float64)
    return _add_ridge(atoms @ atoms.T)


def _add_ridge(gram: np.ndarray) -> np.ndarray:
    """Return inner products (k, k) with the ridge added; atoms may be silent, all of them."""
    result = gram.copy()
    ridge = RIDGE * np.trace(gram) / max(len(gram), 1)
    result.flat[:: len(gram) + 1] += ridge + np.finfo(np.float64).tiny
    return result


def _solve_from_products(gram: np.ndarray, correlations: np.ndarray) -> np.ndarray:
    """Return the weights (k,) >= 0, from inner products of atoms with one another and z."""
    weights = np.linalg.solve(gram, correlations)
    if weights.min() >= 0.0:
        return weights
    factor = np.linalg.cholesky(gram)
    return nnls(factor.T, np.linalg.solve(factor, correlations))[0]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Atoms of which some may be left out: what each of the others needs is computed once.

    Attributes
    ----------
    problem : Problem
        What is to be matched.
    parameters : ndarray of shape (k, p)
        One atom a row.
    atoms : ndarray of shape (k, 2 m)
        Their sketches.
    gram, correlations : ndarray of shape (k, k) and (k,)
        Inner products of these with one another, and with the problem's target.
    """

    problem: Problem
    parameters: np.ndarray
    atoms: np.ndarray
    gram: np.ndarray
    correlations: np.ndarray

    @classmethod
    def of(cls, problem: Problem, parameters: np.ndarray) -> Self:
        """Return those of the given parameters (k, p)."""
        atoms = problem.family.sketch(parameters)
        exact = atoms.astype(np.float64)
        return cls(problem, parameters, atoms, exact @ exact.T, exact @ problem.target)

    def take(self, kept: np.ndarray) -> Self:
        """Return some of them, by a mask or by number."""
        rows = np.arange(len(self.parameters))[kept]
        return replace(
            self,
            parameters=self.parameters[rows],
            atoms=self.atoms[rows],
            gram=self.gram[np.ix_(rows, rows)],
            correlations=self.correlations[rows],
        )

    def join(self, parameters: np.ndarray) -> Self:
        """Return them with others (n, p) after them."""
        new = self.problem.family.sketch(parameters)
        atoms, exact = np.vstack([self.atoms, new]), new.astype(np.float64)
        n, products = len(self.atoms), atoms.astype(np.float64) @ exact.T
        return replace(
            self,
            parameters=np.vstack([self.parameters, parameters]),
            atoms=atoms,
            gram=np.block([[self.gram, products[:n]], [products.T]]),
            correlations=np.append(self.correlations, exact @ self.problem.target),
        )

    def solve_weights(self, *, n_iter: int = 0) -> Fit:
        """Return the fit of the best weights, as `solve_weights` does."""
        weights = _solve_from_products(_add_ridge(self.gram), self.correlations)
        residual = self.problem.compute_residual(weights, self.atoms)
        return Fit(weights, self.parameters, float(residual @ residual), n_iter)

    def compute_importances(self, weights: np.ndarray) -> np.ndarray:
        """Return by how much the cost would rise without each atom (k,), others weighed anew."""
        return compute_importances(_add_ridge(self.gram), weights)


def compute_importances(gram: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return by how much the cost would rise without each atom (k,), from inner products (k, k)."""
    inverse = cho_solve(cho_factor(gram), np.eye(len(gram)))
    return np.asarray(weights**2 / np.diag(inverse))


def solve_weights(problem: Problem, parameters: np.ndarray, *, n_iter: int = 0) -> Fit:
    """Return the fit of the best weights for given parameters, by non-negative least squares.

    Parameters
    ----------
    problem : Problem
        What is to be matched.
    parameters : ndarray of shape (k, p)
        One atom a row; they stay as they are.
    n_iter : int, default=0
        Iterations that the fit is to count.

    Returns
    -------
    Fit
        Atoms of no use have weight 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.atoms import Dirac
    >>> from sketchlearn.decoders import Problem, solve_weights
    >>> X = np.array([[0.0], [0.0], [0.0], [8.0]])
    >>> sketch = Sketcher(10, scale=1.0, random_state=0).fit(X).sketch(X)
    >>> problem = Problem.of(sketch, Dirac(sketch.operator), n_atoms=2)
    >>> solve_weights(problem, np.array([[0.0], [4.0], [8.0]])).weights.round(2)
    array([0.75, 0.  , 0.25])
    """
    return Candidates.of(problem, parameters).solve_weights(n_iter=n_iter)


def compute_median(rows: np.ndarray) -> np.ndarray:
    """Return the median of each column of (k, p): `numpy.median` takes ten times as long."""
    k, rows = len(rows), np.sort(rows, axis=0)
    return np.asarray(0.5 * (rows[(k - 1) // 2] + rows[k // 2]))


class JointObjective:
    r"""Cost and gradient in weights, locations and shapes as one vector, scaled for a minimiser.

    The cost is :math:`\|z - \sum_k \alpha_k a(\theta_k)\|^2 + \rho \sum_k \|\eta_k -
    \bar\eta\|^2`, with :math:`\bar\eta` the median of the shapes at the start.

    Parameters
    ----------
    problem, fit, shapes, prior
        As of `adjust`; the prior is :math:`\rho`.
    least_variance : float, optional
        Least of an atom's, in squared scales, where that is not the family's.

    Attributes
    ----------
    start, lower, upper : ndarray of shape (n,)
        The fit and the bounds in variables of about unit curvature.
    """

    def __init__(
        self,
        problem: Problem,
        fit: Fit,
        shapes: Shapes,
        prior: float = 0.0,
        least_variance: float | None = None,
    ) -> None:
        self.problem, self.shapes, self.prior = problem, shapes, prior
        family = problem.family
        self.parameters = fit.parameters
        self.k, self.d = len(fit.weights), family.n_features
        self.middle = compute_median(fit.parameters[:, self.d :])
        power, curvature = family.curvature(fit.parameters)
        least = LEAST_SHARE / self.k
        squared = np.maximum(fit.weights, least * max(fit.weights.sum(), LEAST_SUM))[:, None] ** 2
        self.scales = 1.0 / np.sqrt(
            np.maximum(2.0 * self._pack_variables(power, squared * curvature, np.sum), 1e-30)
        )
        zeros, walls = np.zeros(self.k), np.full(self.k, np.inf)
        ones = np.ones((self.k, 1))
        least_theta, greatest_theta = problem.bounds()
        if least_variance is not None:
            least_theta[self.d :] = family.least_shape(least_variance)
        self.lower = self._pack_variables(zeros, ones * least_theta, np.mean) / self.scales
        self.upper = self._pack_variables(walls, ones * greatest_theta, np.mean) / self.scales
        self.start = self._pack_variables(fit.weights, fit.parameters, np.mean) / self.scales

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the cost and its gradient (n,) at a vector."""
        weights, parameters = self.unpack(x)
        cost, in_weights, in_parameters = self.differentiate(weights, parameters)
        if self.prior:
            apart = parameters[:, self.d :] - self.middle
            cost += self.prior * float(np.sum(apart**2))
            in_parameters[:, self.d :] += 2.0 * self.prior * apart
        return cost, self._pack_variables(in_weights, in_parameters, np.sum) * self.scales

    def differentiate(
        self, weights: np.ndarray, parameters: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the distance from the target, squared, and its gradients, as a family does."""
        return self.problem.family.differentiate(weights, parameters, self.problem.target)

    def unpack(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights (k,) and parameters (k, p) of a vector."""
        k, d = self.k, self.d
        x = x * self.scales
        parameters = self.parameters.copy()
        parameters[:, :d] = x[k : k + k * d].reshape(k, d)
        if self.shapes == "shared":
            parameters[:, d:] = x[k + k * d :]
        elif self.shapes == "free":
            parameters[:, d:] = x[k + k * d :].reshape(k, -1)
        return x[:k], parameters

    def penalty(self, parameters: np.ndarray) -> float:
        """Return what the prior adds to the cost of parameters (k, p)."""
        return self.prior * float(np.sum((parameters[:, self.d :] - self.middle) ** 2))

    def _pack_variables(
        self, weights: np.ndarray, parameters: np.ndarray, combine: Any
    ) -> np.ndarray:
        """Return one vector; ``combine`` makes the column of a shared shape one number."""
        parts = [weights, parameters[:, : self.d].ravel()]
        if self.shapes == "shared":
            parts.append(combine(parameters[:, self.d :], axis=0))
        elif self.shapes == "free":
            parts.append(parameters[:, self.d :].ravel())
        return np.concatenate(parts)


def adjust(
    problem: Problem,
    fit: Fit,
    *,
    shapes: Shapes,
    max_iter: int,
    tolerance: float = 1e-6,
    prior: float = 0.0,
) -> Fit:
    r"""Minimise :math:`\|z - \sum_k \alpha_k a(\theta_k)\|^2` over weights and parameters jointly.

    Bounded quasi-Newton with analytic gradients, O(d m + k m) memory. Shapes that the sketch does
    not determine stay near their median at the start if a ``prior`` is given; the cost that is
    returned leaves it out.

    Parameters
    ----------
    problem : Problem
        What is to be matched.
    fit : Fit
        Where it starts.
    shapes : {"fixed", "shared", "free"}
        Whether the atoms' shape stays, moves as one value that all share, or moves for each atom.
    max_iter : int
        Most iterations.
    tolerance : float, default=1e-6
        Relative decrease of the cost at which it ends.
    prior : float, default=0.0
        Factor of the squared distances of shapes to that median.

    Returns
    -------
    Fit
        Its iterations come on top of those of ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.atoms import Dirac
    >>> from sketchlearn.decoders import Problem, adjust, solve_weights
    >>> X = np.array([[0.0], [0.0], [0.0], [8.0]])
    >>> sketch = Sketcher(10, scale=1.0, random_state=0).fit(X).sketch(X)
    >>> problem = Problem.of(sketch, Dirac(sketch.operator), n_atoms=2)
    >>> start = solve_weights(problem, np.array([[0.2], [7.9]]))
    >>> adjust(problem, start, shapes="fixed", max_iter=50).parameters.round(2) + 0.0
    array([[0.],
           [8.]])
    """
    tell(n_atoms=len(fit.weights))
    objective = JointObjective(problem, fit, shapes, prior)
    blocks = problem.family.in_blocks
    if blocks is None:
        end = minimise(
            objective,
            objective.start,
            objective.lower,
            objective.upper,
            max_iter=max_iter,
            tolerance=tolerance,
            on_iteration=tell_cost,
        )
    else:
        end = descend(objective, blocks, max_iter, tolerance)
    weights, parameters = objective.unpack(end.x)
    cost = end.cost - objective.penalty(parameters)
    return Fit(weights, parameters, cost, fit.n_iter + end.n_iter, end.converged, prior)
