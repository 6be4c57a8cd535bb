"""Problems whose answer is planted, for everything above the sketching layer."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from sketchlearn import Sketcher
from sketchlearn.frequencies import AdaptedRadius, Domain, FrequencyOperator
from sketchlearn.linear_maps import DenseMap


def dense_operator(turns, center, scale, lower, upper, covariance, *, double_phases=False):
    """An operator of a matrix of frequencies in turns, from its components."""
    domain = Domain(center, scale, covariance, lower, upper)
    return FrequencyOperator(DenseMap(turns), domain, double_phases=double_phases)


def operator_of(d=3, m=101, *, scale=1.0, reach=5.0, center=0.0, seed=0):
    """An operator whose box reaches ``reach`` scales from its centre on each side."""
    rng = np.random.default_rng(seed)
    middle = np.full(d, center) + scale * rng.standard_normal(d)
    corner = np.full(d, reach * scale)
    covariance = (reach * scale / 2.0) ** 2 * np.eye(d)
    return FrequencyOperator.draw(
        m,
        Domain(middle, scale, covariance, middle - corner, middle + corner),
        bandwidth=scale,
        radius_law=AdaptedRadius(),
        pilot=np.vstack([middle - corner, middle + corner]),
        seed=seed,
    )


def separated_points(k, d, seed, *, distance=6.0):
    """Points (k, d) at least ``distance`` from one another, the first that come."""
    rng = np.random.default_rng(seed)
    half_side = distance * k ** (1.0 / d)
    points = [rng.uniform(-half_side, half_side, d)]
    while len(points) < k:
        point = rng.uniform(-half_side, half_side, d)
        if np.linalg.norm(points - point, axis=1).min() >= distance:
            points.append(point)
    return np.array(points)


def repeated_points(k=4, d=3, m=200, *, seed=0, unit=1.0):
    """Points, their unequal shares, and the exact sketch of them repeated."""
    points = unit * separated_points(k, d, seed)
    times = 100 * np.arange(1, k + 1)
    rows = np.repeat(points, times, axis=0)
    sketcher = Sketcher(m, scale=unit, n_clusters=k, random_state=seed).fit(rows)
    return points, times / times.sum(), sketcher.sketch(rows)


def gaussian_clusters(k=5, d=4, n=10_000, *, seed=0, unit=1.0, distance=8.0):
    """Centres (k, d) and rows (n, d) of clusters of standard deviation ``unit``, equally heavy."""
    rng = np.random.default_rng(seed)
    centers = separated_points(k, d, seed, distance=distance)
    return unit * centers, unit * (np.repeat(centers, n // k, axis=0) + rng.standard_normal((n, d)))


def falling_clusters(seed):
    """Rows of ten round clusters of 20,000 to 40 rows, in three columns and any order."""
    rng = np.random.default_rng(seed)
    sizes = [20_000, 10_000, 5000, 2000, 1000, 500, 200, 100, 60, 40]
    centers = np.repeat(rng.uniform(-12.0, 12.0, (10, 3)), sizes, axis=0)
    return rng.permutation(centers + rng.standard_normal(centers.shape))


def largest_distance(planted, found):
    """Largest distance (k,) of a planted point to the found one that is matched with it."""
    distances = np.linalg.norm(planted[:, None] - found[None], axis=2)
    return float(distances[linear_sum_assignment(distances)].max())


def matched(planted, found):
    """For each planted point the index of the found one that is matched with it."""
    distances = np.linalg.norm(planted[:, None] - found[None], axis=2)
    return linear_sum_assignment(distances)[1]


def central_differences(function, x, step):
    """Gradient of a scalar function of a vector, by central differences."""
    gradient = np.empty_like(x)
    for i in range(x.size):
        ahead, behind = x.copy(), x.copy()
        ahead[i] += step
        behind[i] -= step
        gradient[i] = (function(ahead) - function(behind)) / (2.0 * step)
    return gradient


def small_operator(d=3, m=7, **changes):
    """An operator of random frequencies, some of its components changed."""
    rng = np.random.default_rng(0)
    components = {
        "turns": rng.normal(size=(d, m)),
        "center": np.arange(float(d)),
        "scale": 2.0,
        "lower": -np.ones(d),
        "upper": np.ones(d),
        "covariance": np.eye(d),
    }
    return dense_operator(**{**components, **changes})


def planted_mixture(covariance_type, k=4, d=3, n=40_000, seed=0, distance=7.0):
    """Rows of a mixture, its weights, means and covariance matrices."""
    rng = np.random.default_rng(seed)
    means = separated_points(k, d, seed, distance=distance)
    weights = rng.dirichlet(np.full(k, 8.0))
    if covariance_type == "full":
        factors = rng.normal(size=(k, d, d)) * 0.25 + np.eye(d)
    elif covariance_type == "diag":
        factors = rng.uniform(0.6, 1.4, size=(k, d))[:, :, None] * np.eye(d)
    else:
        factors = rng.uniform(0.6, 1.4, size=k)[:, None, None] * np.eye(d)
    label = rng.choice(k, size=n, p=weights)
    rows = means[label] + np.einsum("nij,nj->ni", factors[label], rng.standard_normal((n, d)))
    return rows, weights, means, factors @ factors.transpose(0, 2, 1)
