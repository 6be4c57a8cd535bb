"""Fitted values that a model's file may hold: what an estimator could have learned, no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sketchlearn.frequencies.covariance import ROUNDING
from sketchlearn.frequencies.domain import LARGEST

# Of the power of two that a fit divides weights by, which float64 bounds.
LARGEST_EXPONENT = 1100


def check_arrays(arrays: dict[str, np.ndarray]) -> None:
    """Refuse, by a ValueError, what is no model: shares that are none, variances of zero, ..."""
    for name, array in arrays.items():
        if array.dtype != np.float64 or not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite numbers of float64")
        if name in ARRAY_CHECKS and not (array.size and ARRAY_CHECKS[name](array)):
            raise ValueError(f"{name} has values that no model has")
    if {"covariances_", "precisions_", "precisions_cholesky_"} <= {*arrays}:
        roots, precisions = arrays["precisions_cholesky_"], arrays["precisions_"]
        squares = roots @ roots.transpose(0, 2, 1) if roots.ndim == 3 else roots**2
        if not np.allclose(squares, precisions, rtol=ROUNDING, atol=ROUNDING * precisions.max()):
            raise ValueError("precisions_cholesky_ are no roots of precisions_")
        covariances = arrays["covariances_"]
        if roots.ndim == 3:
            np.linalg.cholesky(covariances)
        elif not np.allclose(covariances * precisions, 1.0, rtol=0, atol=ROUNDING):
            raise ValueError("precisions_ are no inverses of covariances_")


def check_numbers(numbers: dict[str, Any], required: set[str]) -> None:
    """Refuse, by a ValueError, fitted numbers that no estimator has, or that are missing."""
    if missing := required - {*numbers}:
        raise ValueError(f"the fitted numbers lack {', '.join(sorted(missing))}")
    for name, value in numbers.items():
        if not isinstance(value, bool | int | float) or not NUMBER_CHECKS.get(name, _is_real)(
            value
        ):
            raise ValueError(f"{name} is {value!r}, which no model has")


def _is_shares(array: np.ndarray) -> bool:
    return bool(array.min() >= 0 and abs(array.sum() - 1) <= ROUNDING)


def _is_located(array: np.ndarray) -> bool:
    """Whether distances to these points can be computed."""
    return bool(np.abs(array).max() <= LARGEST)


def _is_positive(array: np.ndarray) -> bool:
    """Whether these are variances, or symmetric matrices with such on the diagonal."""
    variances = array if array.ndim < 3 else np.einsum("kll->kl", array)
    if not (variances.min() > 1 / LARGEST and variances.max() < LARGEST):
        return False
    if array.ndim < 3:
        return True
    sizes = np.sqrt(variances[:, :, None] * variances[:, None, :])
    is_symmetric = np.abs(array - array.transpose(0, 2, 1)) <= ROUNDING * sizes
    return bool(is_symmetric.all() and (np.abs(array) <= (1 + ROUNDING) * sizes).all())


def _is_root(array: np.ndarray) -> bool:
    """Whether these are positive, or upper triangles with a positive diagonal."""
    if np.abs(array).max() > LARGEST:
        return False
    diagonals = array if array.ndim < 3 else np.einsum("kll->kl", array)
    return bool(diagonals.min() > 0 and not (array.ndim == 3 and np.tril(array, -1).any()))


def _is_rotation(array: np.ndarray) -> bool:
    """Whether these are orthonormal rows."""
    products = array @ array.T
    return bool(np.abs(products - np.eye(len(array))).max() <= ROUNDING)


def _is_variance(array: np.ndarray) -> bool:
    """Whether these are variances or the like, zero among them."""
    return bool(array.min() >= 0 and array.max() < LARGEST)


def _is_real(value: Any) -> bool:
    """Whether this is a finite number, and no flag."""
    return not isinstance(value, bool) and bool(np.isfinite(value))


def _is_nonnegative(value: Any) -> bool:
    """Whether this is a finite number of at least zero."""
    return _is_real(value) and value >= 0


def _is_count(value: Any) -> bool:
    """Whether this is a number of steps, or a seed."""
    return type(value) is int and 0 <= value < 2**63


ARRAY_CHECKS: dict[str, Callable[[np.ndarray], bool]] = {
    "weights_": _is_shares,
    "cluster_centers_": _is_located,
    "means_": _is_located,
    "covariances_": _is_positive,
    "precisions_": _is_positive,
    "precisions_cholesky_": _is_root,
    "component_classes_": lambda array: bool(array.min() >= 0),
    "components_": _is_rotation,
    "explained_variance_": _is_variance,
    "explained_variance_ratio_": lambda array: bool(array.min() >= 0 and array.sum() <= 1 + 1e-6),
    "singular_values_": _is_variance,
    "mean_": _is_located,
    "var_": _is_variance,
}
NUMBER_CHECKS: dict[str, Callable[[Any], bool]] = {
    "_seed": lambda value: _is_count(value) and value < 2**32,
    "_weight_exponent": lambda value: type(value) is int and abs(value) <= LARGEST_EXPONENT,
    "converged_": lambda value: isinstance(value, bool),
    "inertia_": _is_nonnegative,
    "noise_variance_": _is_nonnegative,
    "noise_floor_": _is_nonnegative,
    "n_iter_": _is_count,
}
