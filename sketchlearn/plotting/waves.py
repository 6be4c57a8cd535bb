"""A sketch drawn: how large its waves are, by how fast they are, and what a decode leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sketchlearn.decoders import Mixture
from sketchlearn.plotting.style import ACCENT, FAINT, INK, Display, require_matplotlib
from sketchlearn.sketches.sketch_like import SketchLike, describe_no_sketch

# Share of the waves that carry nothing whose size the band holds.
SHARE = 0.95
# How far below the band a picture goes on: few entries of noise are smaller.
LOWEST = 30.0


@dataclass(eq=False, repr=False)
class SketchDisplay(Display):
    r"""Size of each entry of a sketch against the radius of its frequency, over the noise.

    The entries are means of waves, :math:`|z_j| \le 1`. Slow waves, on the left, see where the rows
    are as a whole, fast ones the detail. The band holds nineteen in twenty of the entries that are
    nothing but noise: a frequency whose entry is above it carries something. Where most are within,
    the scale is too fine, or the rows are too few.

    `from_sketch` and `from_estimator` make it; the latter adds what the decoded mixture leaves,
    :math:`|z_j - \sum_k \alpha_k a_{kj}|`, which would lie within the band if it explained all.

    Attributes
    ----------
    radii : ndarray of shape (m,)
        Lengths of the frequencies times the operator's scale, without unit.
    sizes : ndarray of shape (m,)
        Moduli of the entries.
    residuals : ndarray of shape (m,) or None
        Moduli of what a mixture leaves.
    noise : float
        Root mean square of the noise of one entry.
    band : float
        Upper end of the band.
    ax_, figure_
        What was drawn on last.
    sizes_, residuals_ : PathCollection
        The entries, and what is left of them.
    band_ : Rectangle
        The noise.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.plotting import SketchDisplay
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> sketch = Sketcher(50, random_state=0).fit(X).sketch(X)
    >>> bool(SketchDisplay.from_sketch(sketch).sizes.max() <= 1.0)
    True
    """

    radii: np.ndarray
    sizes: np.ndarray
    residuals: np.ndarray | None
    noise: float
    sizes_: Any = field(default=None, init=False, repr=False)
    residuals_: Any = field(default=None, init=False, repr=False)
    band_: Any = field(default=None, init=False, repr=False)

    @property
    def band(self) -> float:
        """Upper end of the band: a Rayleigh law's quantile, as the noise is complex and normal."""
        return self.noise * float(np.sqrt(-np.log1p(-SHARE)))

    @classmethod
    def from_sketch(cls, sketch: SketchLike, *, ax: Any = None) -> Self:
        """Draw a sketch.

        Parameters
        ----------
        sketch : Sketch or PrivateSketch
            Of at least one row.
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.

        Returns
        -------
        SketchDisplay
            With ``ax_`` and ``figure_`` set.

        Raises
        ------
        EmptySketchError
            If the sketch holds no rows.
        ImportError
            If matplotlib is not installed.
        TypeError
            If ``sketch`` is none.
        """
        require_matplotlib()
        if not isinstance(sketch, SketchLike):
            raise TypeError(f"expected a sketch, {describe_no_sketch(sketch)}")
        return cls(*_measure(sketch), None, find_noise(sketch)).plot(ax)

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw an estimator's sketch, and what its mixture leaves.

        Parameters
        ----------
        estimator : CompressiveKMeans or CompressiveGaussianMixture
            Fitted, not loaded: a model's file does not hold the mixture.
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.

        Returns
        -------
        SketchDisplay
            With ``ax_`` and ``figure_`` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If it was loaded from a file.
        """
        require_matplotlib()
        check_is_fitted(estimator)
        mixture = getattr(estimator, "mixture_", None)
        if mixture is None:
            raise ValueError(
                "a model that was read from a file has no mixture_, whose residual is drawn: call "
                "fit_sketch(model.sketch_) first, or draw from_sketch(model.sketch_)"
            )
        sketch = estimator.sketch_
        residuals = compute_residuals(sketch, mixture)
        return cls(*_measure(sketch), residuals, find_noise(sketch)).plot(ax)

    def _draw(self, ax: Any) -> None:
        drawn = self.sizes if self.residuals is None else [*self.sizes, *self.residuals]
        least = max(self.band / LOWEST, min(self.band, float(np.min(drawn)))) / 1.5
        ax.set_yscale("log")
        self.band_ = ax.axhspan(
            least, self.band, color=FAINT, alpha=0.3, lw=0, label=f"noise, {SHARE:.0%} of it"
        )
        self.sizes_ = ax.scatter(
            self.radii, self.sizes, s=14, color=INK, linewidths=0, label="sketch, |z|"
        )
        self.residuals_ = None
        if self.residuals is not None:
            self.residuals_ = ax.scatter(
                self.radii,
                self.residuals,
                s=18,
                marker="x",
                color=ACCENT,
                linewidths=1,
                label="left by the decoded mixture",
            )
        ax.set(
            xlabel="radius of the frequency × scale",
            ylabel="size of the entry",
            title=f"{len(self.radii):,} frequencies",
            ylim=(least, 1.5),
        )
        ax.legend(frameon=False, loc="upper right")


def find_noise(sketch: SketchLike) -> float:
    """Return the root mean square noise of an entry that carries nothing.

    The sketch's own standard error is of all entries together, and of large ones it is less.
    """
    of_rows = 1.0 / sketch.n_effective
    return float(np.sqrt(max(of_rows, sketch.standard_error**2 / sketch.n_frequencies)))


def compute_residuals(sketch: SketchLike, mixture: Mixture) -> np.ndarray:
    """Return the moduli (m,) of what a mixture leaves of a sketch."""
    atoms = mixture.family.sketch(mixture.parameters).astype(np.float64)
    stacked = (mixture.total_weight * mixture.weights) @ atoms
    m = sketch.n_frequencies
    return np.asarray(np.abs(sketch.centered_mean - stacked[:m] - 1j * stacked[m:]))


def _measure(sketch: SketchLike) -> tuple[np.ndarray, np.ndarray]:
    """Return radii and sizes of the entries."""
    operator = sketch.operator.standardised()
    return np.sqrt(operator.linear_map.squared_norms) * operator.scale, np.abs(sketch.centered_mean)
