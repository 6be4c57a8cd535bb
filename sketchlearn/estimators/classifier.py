"""A classifier from one sketch a class: Gaussian mixtures and Bayes' rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any, ClassVar, Literal, Self

import numpy as np
from scipy.special import logsumexp
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.multiclass import unique_labels

from sketchlearn._validation import RandomState, check_count, draw_seed, thread_count
from sketchlearn.estimators.callbacks import tell_callbacks
from sketchlearn.estimators.doubts import warn_of_coarse_grid
from sketchlearn.estimators.gaussian_mixture import (
    CompressiveGaussianMixture,
    count_frequencies,
)
from sketchlearn.estimators.labels import (
    add_by_label,
    check_labels,
    require_same_classes,
    sort_labels,
)
from sketchlearn.estimators.persistence import StoredModel
from sketchlearn.estimators.row_estimator import RowPredictor, restore_on_error
from sketchlearn.exceptions import EmptySketchError, ModelFormatError
from sketchlearn.features.moments import MomentKind
from sketchlearn.multivariate import describe_classes
from sketchlearn.points.densities import (
    compute_joint_log_densities,
    count_parameters,
    invert_covariances,
)
from sketchlearn.sketches.fixed_point import require_fixed_point
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sketch_like import SketchLike, describe_no_sketch
from sketchlearn.sketching import Sketcher
from sketchlearn.sketching.moments_only import fit_moments
from sketchlearn.sketching.passes import sketch_rows
from sketchlearn.sketching.sketcher import fit_rows
from sketchlearn.sources.opening import is_source
from sketchlearn.sources.weights import check_sample_weight
from sketchlearn.tables import SketchTable

# Rows that a class needs for each number of its mixture.
ROWS_A_PARAMETER = 10
# Rows that the default sketcher of moments looks at, about.
MOST_ROWS = 5000


class CompressiveClassifier(ClassifierMixin, RowPredictor):
    r"""Gaussian mixtures, one for each class, each from the class's own sketch, and Bayes' rule.

    .. math:: p(c \mid x) \propto \pi_c \sum_k \alpha_{ck} \, N(x; \mu_{ck}, \Sigma_{ck})

    With one component a class, the default, means and covariances are those of the class's exact
    moments, whatever the order or split of the rows, and no waves are computed. The covariances are
    drawn towards the one that classes share, between quadratic and linear discriminant analysis, by
    as much as the rows' likelihood says (`shrink_covariances`). With more components, the mixture
    of a class is decoded from its waves as `CompressiveGaussianMixture` does; a class with fewer
    than ten rows for each number of the mixture has one component all the same: ``n_components_``.

    Sketches of classes add and subtract like all others: rows of a class can be taken out again,
    and classes be learned on different machines, with one sketcher. Rows of different classes are
    different rows, so that private sketches, one a class and each of epsilon, make a model of the
    same epsilon, where everybody is in one class and labels themselves are not secret.

    Parameters
    ----------
    n_components : int, default=1
        Gaussians of each class.
    covariance_type : {"full", "diag"}, default="full"
        A matrix a component, or one variance a column: for sketches without products of all pairs
        of columns, and for columns so many that their products take too much room.
    priors : array-like of shape (n_classes,), optional
        Probability of each class before anything is known of a row, in the order of ``classes_``.
        By default its share of the rows.
    sketcher : Sketcher, optional
        How to sketch. A fitted one is used as it is; one that is not is cloned and fitted on the
        first rows. By default `make_moment_sketcher` for one component, else a `Sketcher` with
        ``scale="columns"``.
    random_state : int, RandomState, Generator or None, default=None
        Determines frequencies and starting points; of no effect with one component.
    n_jobs : int, optional
        Threads that sketch. The result does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    class_count_ : ndarray of shape (n_classes,)
        Rows of each class, or the sum of their weights.
    class_prior_ : ndarray of shape (n_classes,)
        Probabilities of the classes.
    weights_ : ndarray of shape (n_all,)
        Probability of each component, of all classes in turn; all sum to 1.
    means_ : ndarray of shape (n_all, n_features)
        Means of the components.
    covariances_ : ndarray of shape (n_all, n_features, n_features) or (n_all, n_features)
        Their covariances.
    precisions_cholesky_ : ndarray
        Roots of the precisions, of the same shape, as of `CompressiveGaussianMixture`.
    component_classes_ : ndarray of shape (n_all,)
        Index in ``classes_`` of each component's class.
    n_components_ : ndarray of shape (n_classes,)
        How many components each class has; none, if it has no rows.
    sketches_ : dict
        The sketch of each class's rows, by label.
    sketch_ : Sketch or PrivateSketch
        Of all rows.
    sketcher_ : Sketcher
        What they were taken with.
    n_samples_seen_ : int
        Rows of positive weight.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sketchlearn import CompressiveClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> model = CompressiveClassifier().fit(X[::2], y[::2])
    >>> bool(model.score(X[1::2], y[1::2]) > 0.95)
    True

    Rows that were in it are taken out again:

    >>> sketches = dict(model.sketches_)
    >>> sketches[0] -= model.sketcher_.sketch(X[:10:2])
    >>> CompressiveClassifier().fit_sketches(sketches).class_count_
    array([25., 35., 24.])
    """

    _stored_arrays: ClassVar = {
        "weights_": ("k",),
        "means_": ("kd",),
        "covariances_": ("k", "kd", "kdd"),
        "precisions_cholesky_": ("k", "kd", "kdd"),
        "component_classes_": ("k",),
    }
    _stored_numbers = ()
    _own_numbers = ("_seed",)
    _fits_sketches = "fit_sketches"

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: Literal["full", "diag"] = "full",
        priors: Any = None,
        sketcher: Sketcher | None = None,
        random_state: RandomState = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.priors = priors
        self.sketcher = sketcher
        self.random_state = random_state
        self.n_jobs = n_jobs

    @restore_on_error
    @tell_callbacks()
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Sketch the rows of each class, and learn its mixture.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite rows. Those of files and streams are sketched by label first, see
            `fit_sketches` and `fit_table`.
        y : array-like of shape (n_samples,)
            The label of each.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights, which count rows.

        Raises
        ------
        TypeError, ValueError
            If a parameter is out of range; if X or y is not finite or of another length; if y is
            no label of classes; or if a weight is negative.
        """
        self._check_parameters()
        self._refuse_sources(X, "fit")
        self._forget_fit()
        self._seed = draw_seed(self.random_state)
        self._add(X, y, None, sample_weight)
        self._learn()
        return self

    @restore_on_error
    def partial_fit(
        self, X: Any = None, y: Any = None, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Add rows to the classes' sketches, and learn the mixtures of all so far.

        The first rows choose the default sketcher's grid, and its scale where there are several
        components: they should be some thousand then, or a fitted sketcher be given.

        Parameters
        ----------
        X, y, sample_weight
            As of `fit`. Without rows, nothing is added.
        classes : array-like of shape (n_classes,), optional
            All labels that there will be; of the first call, and the same in others. By default
            those of its rows.

        Raises
        ------
        ValueError
            As `fit`; also if a label is not among the classes, or there is nothing to learn from.
        """
        self._check_parameters()
        if X is not None:
            self._refuse_sources(X, "partial_fit")
            if not hasattr(self, "sketches_"):
                self._seed = draw_seed(self.random_state)
            self._add(X, y, classes, sample_weight)
        elif not hasattr(self, "sketches_"):
            raise EmptySketchError("nothing to learn from: call partial_fit(X, y) with rows first")
        self._learn()
        return self

    @restore_on_error
    @tell_callbacks()
    def fit_sketches(self, sketches: Mapping[Any, SketchLike]) -> Self:
        """Learn from one sketch a class; no row is needed.

        Parameters
        ----------
        sketches : mapping of label to Sketch or PrivateSketch
            All of one operator, with moments, and, for several components, with waves to decode.

        Raises
        ------
        TypeError
            If it is no mapping of labels to sketches, or some are exact and others private.
        EmptySketchError
            If there is none, or none has rows.
        ValueError
            If labels are neither texts nor numbers; if operators, moments or names differ; or if
            moments are missing.
        """
        self._check_parameters()
        if isinstance(sketches, SketchTable) or not isinstance(sketches, Mapping):
            raise TypeError(
                f"fit_sketches expected sketches by label, got {type(sketches).__name__}; "
                "a table's go to fit_table"
            )
        for label, sketch in sketches.items():
            if not isinstance(sketch, SketchLike):
                raise TypeError(f"expected a Sketch of {label!r}, {describe_no_sketch(sketch)}")
        if not any(sketch.n_samples for sketch in sketches.values()):
            raise EmptySketchError("expected sketches of at least one row, got none")
        classes = sort_labels([*sketches])
        by_label = {label: sketches[label] for label in classes.tolist()}
        total = reduce(add, by_label.values())
        self._require_moments(total.moment_kind, "the sketches have")
        self._take_sketch(total)
        self._seed = draw_seed(self.random_state)
        self.classes_, self.sketches_ = classes, by_label
        self._learn()
        return self

    def fit_table(self, table: Any, label: str) -> Self:
        """Learn from a table of sketches by key, one key of which is the label.

        Parameters
        ----------
        table : SketchTable
            Of one operator; the sketches of a label are added, whatever their other keys are.
        label : str
            Name of the key that is the label.

        Raises
        ------
        TypeError
            If it is no table.
        ValueError
            If there is no such key, or some rows have none (null); else as `fit_sketches`.
        """
        return self.fit_sketches(add_by_label(table, label))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class given each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """

        def normalise(rows: np.ndarray) -> np.ndarray:
            joint = self._joint_log_densities(rows)
            return np.asarray(joint - logsumexp(joint, axis=1, keepdims=True))

        return self._map_rows(X, normalise)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability (n_samples, n_classes) of each class given each row."""
        return np.exp(self.predict_log_proba(X))

    @property
    def n_samples_seen_(self) -> int:
        """Rows of positive weight in all sketches."""
        self._require_fitted()
        return sum(int(sketch.n_samples) for sketch in self.sketches_.values())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "means_")

    def _predict_rows(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[self._joint_log_densities(rows).argmax(axis=1)])

    def _joint_log_densities(self, rows: np.ndarray) -> np.ndarray:
        """Log-density (n, n_classes) of each row and class together."""
        each = compute_joint_log_densities(
            rows, self.weights_, self.means_, self.precisions_cholesky_
        )
        joint = np.full((len(rows), len(self.classes_)), -np.inf)
        for c in np.unique(self.component_classes_).astype(int):
            joint[:, c] = logsumexp(each[:, self.component_classes_ == c], axis=1)
        return joint

    def _check_parameters(self) -> None:
        check_count(self.n_components, "n_components")
        if self.covariance_type not in ("full", "diag"):
            raise ValueError(
                f"covariance_type must be 'full' or 'diag', got {self.covariance_type!r}"
            )
        if not isinstance(self.sketcher, Sketcher | None):
            raise TypeError(f"sketcher must be a Sketcher, got {type(self.sketcher).__name__}")
        if self.priors is not None:
            priors = np.asarray(self.priors, dtype=np.float64)
            if priors.ndim != 1 or not (priors >= 0).all() or abs(priors.sum() - 1.0) > 1e-6:
                raise ValueError(f"priors must be probabilities that sum to 1, got {self.priors!r}")

    def _refuse_sources(self, X: Any, name: str) -> None:
        self._require_rows(X, name)
        if is_source(X):
            raise TypeError(
                f"{name} takes arrays with a label for each row, got a {type(X).__name__}: sketch "
                "the rows of each label, with a filter or by groups, and call fit_sketches"
            )

    def _require_moments(self, kind: str | None, what: str) -> None:
        """Refuse, by a ValueError, moments that covariances do not follow from."""
        if kind is None or (kind == "diagonal" and self.covariance_type == "full"):
            raise ValueError(
                f"covariance_type={self.covariance_type!r} cannot be learned where {what} "
                f"moments={kind!r}: sketch with moments='full'"
                + (", or set covariance_type='diag'" if kind else "")
            )

    def _add(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> None:
        """Add rows to the sketches of their labels, or begin some."""
        is_first = not hasattr(self, "sketches_")
        given = self._find_given_sketcher()
        if is_first and given is not None:
            self._require_moments(given.moment_kind, "the sketcher takes")
        rows = self._validate(X, reset=is_first, names_of=given if is_first else None)
        labels = check_labels(y, rows)
        weights = check_sample_weight(sample_weight, len(rows))
        if weights is not None:
            require_fixed_point(weights)
        if is_first:
            self.classes_ = unique_labels(labels if classes is None else classes)
        else:
            require_same_classes(classes, self.classes_)
        if strangers := {*labels.tolist()} - {*self.classes_.tolist()}:
            raise ValueError(
                f"y has labels that are not among the classes: {sorted(strangers)[:5]}; the "
                f"classes are {self.classes_.tolist()[:20]}"
            )
        if is_first:
            self.sketcher_ = given or self._fit_sketcher(rows, weights)
            empty = Sketch.empty(self.sketcher_.operator_, self.sketcher_.moment_kind)
            self.sketches_ = dict.fromkeys(self.classes_.tolist(), empty)
        operator, names = self.sketcher_.operator_, self.sketcher_.feature_names
        kind, n_threads = self.sketcher_.moment_kind, thread_count(self.n_jobs)
        added = {}
        for label in np.unique(labels):
            own = labels == label
            own_weights = None if weights is None else weights[own]
            if own_weights is None or own_weights.any():
                sketch = sketch_rows(operator, rows[own], own_weights, n_threads, kind, names)
                key = label.item() if isinstance(label, np.generic) else label
                added[key] = self.sketches_[key] + sketch
        self.sketches_ = {**self.sketches_, **added}

    def _fit_sketcher(self, rows: np.ndarray, weights: np.ndarray | None) -> Sketcher:
        """Return a sketcher for rows like these."""
        names = getattr(self, "feature_names_in_", None)
        moments: MomentKind = "full" if self.covariance_type == "full" else "diagonal"
        d, k = rows.shape[1], self.n_components
        if self.sketcher is not None:
            sketcher = clone(self.sketcher).set_params(keep_pilot=False)
            fit_rows(sketcher, rows, weights, draw_seed(sketcher.random_state), names=names)
        elif k == 1:
            rows = rows if weights is None else rows[weights > 0]
            sketcher = fit_moments(rows[:: 1 + len(rows) // MOST_ROWS], names, self.n_jobs)
            sketcher.set_params(moments=moments)
        else:
            sketcher = Sketcher(
                count_frequencies(k, d, self.covariance_type),
                n_clusters=k * len(self.classes_),
                scale="columns",
                moments=moments,
                keep_pilot=False,
                random_state=self._seed,
                n_jobs=self.n_jobs,
            )
            fit_rows(sketcher, rows, weights, draw_seed(self._seed), names=names)
        self._require_moments(sketcher.moment_kind, "the sketcher takes")
        return sketcher

    def _learn(self) -> None:
        """Learn the mixture of each class from its sketch."""
        sketches = [self.sketches_[label] for label in self.classes_.tolist()]
        self.sketch_ = reduce(add, sketches)
        warn_of_coarse_grid(self.sketch_)
        self._count_rows(sketches)
        seen = np.flatnonzero(self.class_count_)
        is_full = self.covariance_type == "full"
        means, covariances, least = describe_classes([sketches[c] for c in seen], is_full)
        if not self.class_prior_[seen].any():
            labels = self.classes_[seen].tolist()
            raise ValueError(f"priors are zero for all classes that have rows, {labels}")
        shares, places, shapes, owners = [], [], [], []
        for c, mean, covariance in zip(seen, means, covariances, strict=True):
            share, place, shape = np.ones(1), mean[None], covariance[None]
            if self._has_rows_for_mixture(sketches[c]):
                share, place, shape = self._decode(sketches[c], least)
            shares.append(self.class_prior_[c] * share)
            places.append(place)
            shapes.append(shape)
            owners.append(np.full(len(share), c))
        self.weights_ = np.concatenate(shares) / self.class_prior_[seen].sum()
        self.means_, self.covariances_ = np.concatenate(places), np.concatenate(shapes)
        self.precisions_cholesky_ = invert_covariances(self.covariances_)
        self.component_classes_ = np.concatenate(owners).astype(float)
        self.n_components_ = np.bincount(np.concatenate(owners), minlength=len(sketches))

    def _has_rows_for_mixture(self, sketch: SketchLike) -> bool:
        n = count_parameters(self.n_components, self.n_features_in_, self.covariance_type)
        return self.n_components > 1 and sketch.n_effective >= ROWS_A_PARAMETER * n

    def _decode(self, sketch: SketchLike, least: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return shares, means and covariances of a class's mixture, with variances added."""
        mixture = CompressiveGaussianMixture(
            self.n_components,
            covariance_type=self.covariance_type,
            reg_covar=float(least.min()),
            random_state=self._seed,
        ).fit_sketch(sketch)
        added = np.diag(least) if self.covariance_type == "full" else least
        return mixture.weights_, mixture.means_, mixture.covariances_ + added

    def _collect(self) -> StoredModel:
        labels = self.classes_.tolist()
        if not all(isinstance(label, (bool, int, float, str)) for label in labels):
            raise ValueError(f"files hold labels that are numbers or texts, got {labels[:5]}")
        own = tuple((label, self.sketches_[label]) for label in labels)
        return replace(super()._collect(), classes=own)

    def _restore_more(self, model: StoredModel) -> None:
        """Set the classes."""
        labels = [label for label, _ in model.classes or ()]
        owners = model.arrays["component_classes_"]
        if not labels or not np.isin(owners, np.arange(len(labels))).all():
            raise ModelFormatError("the file's components are of no class")
        self.classes_ = np.array(labels)
        if self.classes_.tolist() != labels or not (self.classes_[1:] > self.classes_[:-1]).all():
            raise ModelFormatError(f"labels must be of one type and sorted, got {labels[:20]}")
        self.sketches_ = dict(model.classes or ())
        self._count_rows(list(self.sketches_.values()))
        self.n_components_ = np.bincount(owners.astype(int), minlength=len(labels))

    def _count_rows(self, sketches: list[Any]) -> None:
        """Set the classes' numbers of rows and probabilities."""
        # A private sketch counts at least one row.
        self.class_count_ = np.array([each.weight_sum for each in sketches])
        self.class_prior_ = self.class_count_ / self.class_count_.sum()
        if self.priors is not None:
            self.class_prior_ = np.asarray(self.priors, dtype=np.float64)
            if len(self.class_prior_) != len(self.classes_):
                n_classes = len(self.classes_)
                raise ValueError(f"priors must be one a class, {n_classes}, got {self.priors!r}")
