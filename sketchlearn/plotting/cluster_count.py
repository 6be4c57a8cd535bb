"""How many clusters: cost, stability and silhouette against k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from sketchlearn.model_selection import ClusterCount, count_clusters
from sketchlearn.plotting.style import ACCENT, COLORS, FAINT, INK, Display, require_matplotlib
from sketchlearn.sketches.sketch_like import SketchLike


@dataclass(eq=False, repr=False)
class NumberOfClustersDisplay(Display):
    """What `count_clusters` found of each number: cost, stability and silhouette.

    The grey region is what noise alone would leave: a mixture whose cost lies in it explains the
    sketch. The chosen number has a ring. On the right axis, the larger the better: stability, how
    alike the clusters are that another draw of the noise gives, and the silhouette of synthetic
    rows. Where both peak at the chosen number, it is more than where more clusters help little.

    Attributes
    ----------
    numbers : ndarray of shape (c,)
        Candidates, ascending.
    costs : ndarray of shape (c,)
        Squared distances between the sketch and the mixtures'.
    limits : ndarray of shape (c,)
        Costs up to which what is left is taken for noise; nan where the sketch has no number to
        spare for so many parameters.
    stabilities, silhouettes : ndarray of shape (c,)
        As of `ClusterCount`; nan where unknown.
    n_clusters : int
        The chosen one.
    is_resolved : bool
        Whether its mixture explains the sketch.
    ax_, figure_
        What was drawn on last.
    line_, limit_, chosen_ : Line2D
        Costs, limits, and the ring.
    right_ : matplotlib axes
        Those of stability and silhouette.
    stability_, silhouette_ : Line2D
        What they show.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, count_clusters
    >>> from sketchlearn.plotting import NumberOfClustersDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.choice([-9.0, 0.0, 9.0], size=(20_000, 1)) + rng.normal(size=(20_000, 2))
    >>> sketch = Sketcher(n_clusters=5, random_state=0).fit(X).sketch(X)
    >>> count = count_clusters(sketch, range(1, 6), random_state=0)
    >>> NumberOfClustersDisplay.from_count(count).chosen_.get_xdata().tolist()
    [3]
    """

    numbers: np.ndarray
    costs: np.ndarray
    limits: np.ndarray
    stabilities: np.ndarray
    silhouettes: np.ndarray
    n_clusters: int
    is_resolved: bool
    line_: Any = field(default=None, init=False, repr=False)
    limit_: Any = field(default=None, init=False, repr=False)
    chosen_: Any = field(default=None, init=False, repr=False)
    right_: Any = field(default=None, init=False, repr=False)
    stability_: Any = field(default=None, init=False, repr=False)
    silhouette_: Any = field(default=None, init=False, repr=False)

    @classmethod
    def from_count(cls, count: ClusterCount, *, ax: Any = None) -> Self:
        """Draw what `count_clusters` found.

        Parameters
        ----------
        count : ClusterCount
            The result of `count_clusters`.
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.

        Returns
        -------
        NumberOfClustersDisplay
            With ``ax_`` and ``figure_`` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If ``count`` is no `ClusterCount`.
        """
        require_matplotlib()
        if not isinstance(count, ClusterCount):
            raise TypeError(f"expected what count_clusters returns, got {type(count).__name__}")
        numbers = sorted(count.mixtures)
        qualities = [count.mixtures[k].quality for k in numbers]
        limits = [each.thresholds.noise_chi2 * each.expected_cost for each in qualities]
        return cls(
            np.array(numbers),
            np.array([each.cost for each in qualities]),
            np.array([limit if limit > 0 else np.nan for limit in limits]),
            np.array([count.stabilities[k] for k in numbers]),
            np.array([count.silhouettes[k] for k in numbers]),
            count.n_clusters,
            count.is_resolved,
        ).plot(ax)

    @classmethod
    def from_sketch(
        cls,
        sketch: SketchLike,
        candidates: Sequence[int] = range(1, 21),
        *,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Count the clusters of a sketch, and draw what was found.

        Parameters
        ----------
        sketch : Sketch or PrivateSketch
            As of `count_clusters`.
        candidates : sequence of int, default=range(1, 21)
            Numbers of clusters to try.
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.
        **options
            Other arguments of `count_clusters`, as ``random_state``.

        Returns
        -------
        NumberOfClustersDisplay
            With ``ax_`` and ``figure_`` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            As by `count_clusters`.
        """
        require_matplotlib()
        return cls.from_count(count_clusters(sketch, candidates, **options), ax=ax)

    def _draw(self, ax: Any) -> None:
        (self.line_,) = ax.plot(self.numbers, self.costs, "o-", color=INK, ms=4, label="cost")
        (self.limit_,) = ax.plot(self.numbers, self.limits, "--", color=FAINT, lw=1)
        ax.set_yscale("log")
        bottom = min(self.costs.min(), np.nanmin([*self.limits, np.inf])) / 2
        ax.fill_between(
            self.numbers, bottom, self.limits, color=FAINT, alpha=0.3, lw=0, label="noise alone"
        )
        (self.chosen_,) = ax.plot(
            [self.n_clusters],
            self.costs[self.numbers == self.n_clusters],
            "o",
            ms=13,
            mfc="none",
            mec=ACCENT,
            mew=2,
            label="chosen",
        )
        ax.set(
            xlabel="number of clusters, k",
            ylabel="cost: squared distance of the sketches",
            title=self._choose_title(),
            ylim=(bottom, None),
        )
        ax.xaxis.get_major_locator().set_params(integer=True)
        self._draw_right(ax)

    def _choose_title(self) -> str:
        chosen = "1 cluster" if self.n_clusters == 1 else f"{self.n_clusters} clusters"
        explains = "explains" if self.n_clusters == 1 else "explain"
        if self.is_resolved:
            return f"{chosen} {explains} the sketch"
        return f"{chosen}, not resolved"

    def _draw_right(self, ax: Any) -> None:
        """Draw stability and silhouette on an axis of their own, and the legend of all."""
        self.right_ = ax.twinx()
        (self.stability_,) = self.right_.plot(
            self.numbers, self.stabilities, "^:", color=COLORS[2], ms=5, label="stability, right"
        )
        (self.silhouette_,) = self.right_.plot(
            self.numbers, self.silhouettes, "s-.", color=COLORS[1], ms=4, label="silhouette, right"
        )
        lowest = np.nanmin([0.0, *self.stabilities, *self.silhouettes])
        self.right_.set(ylabel="stability, silhouette", ylim=(lowest - 0.02, 1.05))
        (handles, labels), (others, names) = (
            each.get_legend_handles_labels() for each in (ax, self.right_)
        )
        ax.legend(
            handles + others,
            labels + names,
            frameon=False,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.13),
            ncols=3,
            fontsize="small",
        )
