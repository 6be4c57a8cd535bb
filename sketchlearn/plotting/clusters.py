"""Clusters and mixtures, drawn over rows: given ones, or synthetic ones from the sketch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sketchlearn._validation import RandomState, check_count, draw_seed
from sketchlearn.estimators import CompressiveGaussianMixture, CompressiveKMeans
from sketchlearn.plotting.planes import Columns, Plane
from sketchlearn.plotting.style import (
    DARK,
    FAINT,
    Display,
    choose_mark,
    require_matplotlib,
    write_name,
)
from sketchlearn.sources.error_handling import make_error_handler
from sketchlearn.sources.opening import open_source
from sketchlearn.sources.sampling import draw_rows
from sketchlearn.synthesis import synthesize

# Share of a component's rows that an ellipse is drawn around; and its squared radius, in squared
# standard deviations: the 0.9-quantile of the chi-squared law with two degrees of freedom.
SHARE = 0.9
SQUARED_RADIUS = -2.0 * np.log1p(-SHARE)


@dataclass(eq=False, repr=False)
class ClustersDisplay(Display):
    """Rows in a plane, marked by cluster, with centroids and, of mixtures, ellipses.

    `from_estimator` makes it. A number stands at each centroid, the row of ``cluster_centers_`` or
    ``means_``, and an ellipse is drawn around nine tenths of a component's rows.

    Attributes
    ----------
    points : ndarray of shape (n, 2)
        Rows in the plane.
    labels : ndarray of shape (n,)
        Cluster of each.
    centers : ndarray of shape (k, 2)
        Centroids or means in the plane.
    covariances : ndarray of shape (k, 2, 2) or None
        Of a mixture's components, in the plane.
    axis_names : tuple of two str
        What the axes are called.
    is_synthetic : bool
        Whether the rows were drawn from the sketch, which holds none.
    ax_, figure_
        What was drawn on last.
    scatters_ : list of PathCollection
        Rows, one entry a cluster that has some.
    centers_ : PathCollection
        Centroids.
    ellipses_ : list of Ellipse
        One a component.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import CompressiveKMeans
    >>> from sketchlearn.plotting import ClustersDisplay
    >>> X = np.random.default_rng(0).normal(size=(600, 2)) + np.repeat([[0.0], [9.0]], 300, axis=0)
    >>> model = CompressiveKMeans(2, random_state=0).fit(X)
    >>> display = ClustersDisplay.from_estimator(model, X)
    >>> len(display.scatters_), display.ax_.get_xlabel()
    (2, 'x0')
    """

    points: np.ndarray
    labels: np.ndarray
    centers: np.ndarray
    covariances: np.ndarray | None
    axis_names: tuple[str, str]
    is_synthetic: bool
    scatters_: list[Any] = field(default_factory=list, init=False, repr=False)
    centers_: Any = field(default=None, init=False, repr=False)
    ellipses_: list[Any] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        columns: Columns = "auto",
        n_points: int = 2000,
        random_state: RandomState = 0,
        ax: Any = None,
    ) -> Self:
        """Draw the clusters of a fitted estimator.

        Parameters
        ----------
        estimator : CompressiveKMeans or CompressiveGaussianMixture
            Fitted.
        X : array-like of shape (n_samples, n_features), or a source of rows, optional
            Rows to draw. Without them, `synthesize` draws some from the estimator's sketch.
        columns : pair of str or int, "auto" or "principal", default="auto"
            Columns to draw, by name or by number; "principal" for the two directions of most
            variance: of the rows where the sketch has full moments, or else of the centroids.
            "auto" draws columns where there are two, and directions where there are more.
        n_points : int, default=2000
            At most so many rows are drawn, chosen at random.
        random_state : int, RandomState, Generator or None, default=0
            Determines which.
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.

        Returns
        -------
        ClustersDisplay
            With ``ax_`` and ``figure_`` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If it has no clusters, the rows are not what it was fitted on, or there is no such
            column.
        """
        require_matplotlib()
        centers, matrices = list_components(estimator)
        check_count(n_points, "n_points")
        sketch = estimator.sketch_
        plane = Plane.choose(sketch, columns, centers, estimator.weights_)
        rng = np.random.default_rng(draw_seed(random_state))
        if X is None:
            rows = synthesize(sketch, n_points, random_state=rng)
        else:
            source = open_source(X)
            names = getattr(estimator, "feature_names_in_", None)
            source.expect(estimator.n_features_in_, names)
            rows = draw_rows(source, n_points, n_points, rng, make_error_handler("raise"))[0].rows
        # As a source: its columns have been compared by name, and the array has none.
        labels = estimator.predict([rows])
        covariances = None if matrices is None else plane.project_covariances(matrices)
        return cls(
            plane.project(rows),
            labels,
            plane.project(centers),
            covariances,
            plane.names,
            X is None,
        ).plot(ax)

    def _draw(self, ax: Any) -> None:
        self.scatters_ = []
        for k in range(len(self.centers)):
            color, marker = choose_mark(k)
            some = self.points[self.labels == k]
            if len(some):
                self.scatters_.append(
                    ax.scatter(*some.T, s=14, color=color, marker=marker, alpha=0.5, linewidths=0)
                )
        self.ellipses_ = self._draw_ellipses(ax)
        self.centers_ = ax.scatter(
            *self.centers.T, s=170, color="white", edgecolors=DARK, linewidths=1.2, zorder=3
        )
        for k, (x, y) in enumerate(self.centers):
            ax.annotate(str(k), (x, y), ha="center", va="center", fontsize=8, color=DARK, zorder=4)
        what = "synthetic rows" if self.is_synthetic else "rows"
        clusters = "1 cluster" if len(self.centers) == 1 else f"{len(self.centers)} clusters"
        ax.set(
            xlabel=write_name(self.axis_names[0]),
            ylabel=write_name(self.axis_names[1]),
            title=f"{clusters}, over {len(self.points):,} {what}",
        )

    def _draw_ellipses(self, ax: Any) -> list[Any]:
        """Draw an ellipse around nine tenths of each component's rows."""
        if self.covariances is None:
            return []
        from matplotlib.patches import Ellipse

        drawn = []
        for k, (center, covariance) in enumerate(zip(self.centers, self.covariances, strict=True)):
            values, vectors = np.linalg.eigh(covariance)
            width, height = 2.0 * np.sqrt(SQUARED_RADIUS * np.maximum(values[::-1], 0.0))
            angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
            ellipse = Ellipse(
                center, width, height, angle=angle, fill=False, lw=1.8, edgecolor=choose_mark(k)[0]
            )
            # A grey line around it, which shows on rows of its own colour.
            ax.add_patch(
                Ellipse(center, width, height, angle=angle, fill=False, lw=3, edgecolor=FAINT)
            )
            drawn.append(ax.add_patch(ellipse))
        return drawn


def list_components(estimator: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return centroids (k, d) and, of a mixture, covariance matrices (k, d, d)."""
    if not isinstance(estimator, CompressiveKMeans | CompressiveGaussianMixture):
        raise TypeError(
            "expected a CompressiveKMeans or a CompressiveGaussianMixture, got "
            f"{type(estimator).__name__}"
        )
    check_is_fitted(estimator)
    if isinstance(estimator, CompressiveKMeans):
        return estimator.cluster_centers_, None
    d = estimator.n_features_in_
    values = estimator.covariances_
    if values.ndim == 1:
        values = np.repeat(values[:, None], d, axis=1)
    return estimator.means_, values if values.ndim == 3 else values[:, :, None] * np.eye(d)
