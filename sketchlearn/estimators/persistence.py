"""Fitted estimators as files: safetensors with a digest, like sketches; nothing is pickled."""

from __future__ import annotations

import contextvars
import copy
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sketchlearn._registry import Registered
from sketchlearn._validation import thread_count
from sketchlearn.estimators.report import Report, keep_report, parse_report
from sketchlearn.estimators.stored_parameters import PLAIN, from_json, to_json
from sketchlearn.estimators.stored_values import check_arrays, check_numbers
from sketchlearn.exceptions import ModelFormatError, SketchFormatError
from sketchlearn.files.atomic import write_atomically
from sketchlearn.files.container import FileKind
from sketchlearn.files.registry import NONSENSE, read_start
from sketchlearn.files.strict_json import parse_strictly, write_canonically
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.privacy.format import PRIVATE_FILE
from sketchlearn.privacy.private_sketch import PrivateSketch
from sketchlearn.sketches.format import SKETCH_FILE
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching import Sketcher

if TYPE_CHECKING:
    from sketchlearn.estimators.sketch_estimator import CompressiveEstimator

# Fitted numbers that a model may lack.
OPTIONAL_NUMBERS = {"inertia_", "_weight_exponent"}
# Shapes of covariances, a letter a dimension.
SHAPES = {"spherical": "k", "diag": "kd", "full": "kdd"}
# Parameters that are flags.
FLAGS = ("keep_pilot", "compute_labels", "whiten")

_rows_are_allowed = contextvars.ContextVar("rows_are_allowed", default=False)


@final
@dataclass(frozen=True, eq=False)
class StoredModel:
    """What a model's file holds.

    Parameters
    ----------
    estimator : str
        Name of the class.
    parameters, numbers : dict
        The constructor's arguments and the fitted numbers, as JSON has them; for objects among the
        arguments see `stored_objects`.
    feature_names : list of str, optional
        Names of the features, if they had any.
    arrays : dict of str to ndarray
        Fitted arrays, float64.
    sketch : Sketch or PrivateSketch
        What was decoded.
    classes : tuple of (label, sketch), optional
        Of a classifier: each class's label and the sketch of its rows, in the order of the labels.
    report : Report, optional
        What the decode was worth, in words. Files of earlier versions have none.
    """

    estimator: str
    parameters: dict[str, Any]
    numbers: dict[str, Any]
    feature_names: list[str] | None
    arrays: dict[str, np.ndarray]
    sketch: SketchLike
    classes: tuple[tuple[Any, SketchLike], ...] | None = None
    report: Report | None = None

    def to_bytes(self) -> bytes:
        """Return the bytes of a safetensors file.

        Equal models give equal bytes where one version of the library writes both.
        """
        metadata = {
            "estimator": self.estimator,
            "parameters": write_canonically(self.parameters),
            "numbers": write_canonically(self.numbers),
            "feature_names": write_canonically(self.feature_names),
        }
        if self.report is not None:
            metadata["report"] = write_canonically(asdict(self.report))
        arrays = {**self.arrays, "sketch": to_array(self.sketch.to_bytes())}
        if self.classes is None:
            return MODEL_FILE.encode(arrays, metadata)
        labels = [label for label, _ in self.classes]
        metadata["classes"] = write_canonically(labels)
        for i, (_, sketch) in enumerate(self.classes):
            arrays[f"sketch_{i}"] = to_array(encode_part(sketch))
        return MODEL_FILE.encode(arrays, metadata, CLASSES_VERSION)

    @classmethod
    def from_bytes(cls, data: bytes) -> StoredModel:
        """Return the model that `to_bytes` turned into these bytes; else a ModelFormatError."""
        return MODEL_FILE.decode(data)

    def check(self) -> None:
        """Refuse, by a ValueError, what no estimator has."""
        if not isinstance(self.parameters, dict) or not all(
            isinstance(value, (*PLAIN, dict, list)) for value in self.parameters.values()
        ):
            raise ValueError(f"the parameters are not plain values: {str(self.parameters)[:200]}")
        for value in self.parameters.values():
            from_json(value, self.sketch.operator)
        if not isinstance(self.numbers, dict):
            raise ValueError("the fitted numbers have no names")
        names = self.feature_names
        if names is not None and (
            not isinstance(names, list)
            or not all(isinstance(name, str) for name in names)
            or len(names) != self.sketch.operator.n_features
        ):
            raise ValueError(f"the feature names are not one a feature: {str(names)[:200]}")
        if self.sketch.n_samples == 0:
            raise ValueError("no model is decoded from a sketch without rows")
        check_arrays(self.arrays)


MODEL_FILE: FileKind[StoredModel] = FileKind("model", 2, ModelFormatError, "load_model")
# The version of models that have classes, as few readers need.
CLASSES_VERSION = 3


@MODEL_FILE.reads(CLASSES_VERSION)
def _read_3(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredModel:
    """Return what a file of version 3 holds: version 2, and the classes' labels and sketches."""
    labels = parse_strictly(metadata["classes"])
    if not isinstance(labels, list) or not labels or len({*map(repr, labels)}) < len(labels):
        raise ValueError(f"the classes are no list of labels: {str(labels)[:200]}")
    if not all(isinstance(label, (bool, int, float, str)) for label in labels):
        raise ValueError(f"labels must be numbers or texts, got {str(labels)[:200]}")
    own = {f"sketch_{i}" for i in range(len(labels))}
    rest = {name: array for name, array in arrays.items() if name not in own}
    model = _read_2(rest, {name: text for name, text in metadata.items() if name != "classes"})
    operator = model.sketch.operator
    try:
        sketches = [
            _read_sketch(arrays[f"sketch_{i}"].tobytes(), operator) for i in range(len(labels))
        ]
    except SketchFormatError as error:
        raise ModelFormatError(f"the sketch of a class cannot be read: {error}") from error
    if reduce(add, sketches).to_bytes() != model.sketch.to_bytes():
        raise ValueError("the classes' sketches do not add up to the model's")
    return replace(model, classes=tuple(zip(labels, sketches, strict=True)))


@MODEL_FILE.reads(2)
def _read_2(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredModel:
    """Return what a file of version 2 holds."""
    fields = ("estimator", "parameters", "numbers", "feature_names")
    if {*metadata} - {"report"} != {*fields, *MODEL_FILE.own_names}:
        raise ValueError(f"no model says {', '.join(metadata)}")
    parameters, numbers, names = (parse_strictly(metadata[name]) for name in fields[1:])
    try:
        sketch = _read_sketch(arrays["sketch"].tobytes())
    except SketchFormatError as error:
        raise ModelFormatError(f"the model's sketch cannot be read: {error}") from error
    learned = {name: array for name, array in arrays.items() if name != "sketch"}
    said = parse_report(parse_strictly(metadata["report"])) if "report" in metadata else None
    model = StoredModel(
        metadata["estimator"], parameters, numbers, names, learned, sketch, report=said
    )
    model.check()
    return model


@MODEL_FILE.reads(1)
def _read_1(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredModel:
    """Return what a file of version 1 holds: objects among the parameters are null in it."""
    model = _read_2(arrays, metadata)
    if not all(isinstance(value, PLAIN) for value in model.parameters.values()):
        raise ValueError("the parameters are not plain values")
    return model


def to_array(data: bytes) -> np.ndarray:
    """Return bytes as an array, which is what files hold."""
    return np.frombuffer(data, dtype=np.uint8)


def encode_part(sketch: SketchLike) -> bytes:
    """Return the bytes of a sketch beside another of its operator, which is written once."""
    return sketch.to_bytes(operator=False) if isinstance(sketch, Sketch) else sketch.to_bytes()


def _read_sketch(data: bytes, operator: FrequencyOperator | None = None) -> SketchLike:
    """Return the sketch of a model, of the kind that its bytes say."""
    start = read_start(io.BytesIO(data))
    if start.identity is not None and start.identity.noun == PRIVATE_FILE.noun:
        return PrivateSketch.restore(PRIVATE_FILE.decode(data, start))
    return Sketch.restore(SKETCH_FILE.decode(data, start), operator)


def load_model(path: str | os.PathLike[str]) -> CompressiveEstimator:
    """Read a fitted estimator that its ``save`` wrote, of whichever class the file says.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    CompressiveEstimator
        Fitted, of a class of this library or of a module of your own that was imported.

    Raises
    ------
    ModelFormatError
        If the file is foreign, truncated, altered, of a newer format, or of an unknown class.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sketchlearn import CompressiveKMeans, load_model
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> model = CompressiveKMeans(n_clusters=2, random_state=0).fit(X)
    >>> with tempfile.NamedTemporaryFile(suffix=".model") as file:
    ...     model.save(file.name)
    ...     again = load_model(file.name)
    >>> bool((again.predict(X) == model.labels_).all())
    True
    """
    model = MODEL_FILE.load(path)
    known = PersistentEstimator.kinds()
    if model.estimator not in known:
        raise ModelFormatError(
            f"the file holds a {model.estimator[:80]!r}; this library knows {', '.join(known)}. "
            "Import the module of a class of your own first"
        )
    return cast("CompressiveEstimator", known[model.estimator].restore(model))


@contextmanager
def allow_rows_in_pickles() -> Iterator[None]:
    """Within this context, an estimator that holds rows back can be pickled, rows and all.

    `partial_fit` holds the first batches back until there are enough rows to choose a scale on.
    Without this, pickling such an estimator is an error, since a pickle travels, and its reader
    finds the rows in it.

    Examples
    --------
    >>> import pickle
    >>> import numpy as np
    >>> from sketchlearn import CompressiveKMeans
    >>> from sketchlearn.estimators import allow_rows_in_pickles
    >>> model = CompressiveKMeans(2).partial_fit(np.eye(3))
    >>> with allow_rows_in_pickles():
    ...     data = pickle.dumps(model)
    >>> pickle.loads(data).n_samples_seen_
    3
    """
    token = _rows_are_allowed.set(True)
    try:
        yield
    finally:
        _rows_are_allowed.reset(token)


class PersistentEstimator(Registered, BaseEstimator, ABC):
    """`save` and `load` of a fitted estimator.

    A concrete class is known by its name: `load_model` finds it.

    Attributes
    ----------
    _stored_arrays : dict of str to tuple of str
        Fitted arrays and their possible shapes, a letter a dimension: d is the number of features,
        k that of clusters or components. "kd" is (k, d). Where there are several,
        ``covariance_type`` decides.
    _counted_by : str
        The array that is k long.
    _stored_numbers : tuple of str
        Fitted numbers.
    _own_numbers : tuple of str
        Fitted numbers that are no attributes for users.
    """

    _stored_arrays: ClassVar[dict[str, tuple[str, ...]]]
    _stored_numbers: ClassVar[tuple[str, ...]]
    _counted_by: ClassVar[str] = "weights_"
    _own_numbers: ClassVar[tuple[str, ...]] = ("_seed", "_weight_exponent")
    sketch_: Any
    n_jobs: int | None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model and its sketch to a file, wholly or not at all.

        The file is a safetensors file with a digest over everything in it, see the guide to the
        file format. No row travels in it: neither a pilot nor ``labels_``, and ``mixture_`` does
        not either; what `report` says of the decode does. A sketcher, and decoders that are frozen
        dataclasses, are stored with all of their settings. A ``random_state`` that is a generator
        is left out, with a warning.

        Raises
        ------
        NotFittedError
            If there is no model yet.
        ValueError
            If `partial_fit` holds rows back that were not decoded yet; if a parameter is an object
            that no file can hold, such as a decoder that is no frozen dataclass; or if a parameter
            was set to what no estimator takes.
        OSError
            If the file cannot be written; nothing is left behind.
        """
        check_is_fitted(self)
        if getattr(self, "_held", []):
            raise ValueError("rows are held back that no file may keep: call partial_fit() first")
        data = self._collect().to_bytes()
        try:
            # Whatever is written can be read.
            type(self).restore(StoredModel.from_bytes(data))
        except ModelFormatError as error:
            raise ValueError(f"what could not be loaded is not saved: {error}") from error
        write_atomically(path, data)

    def _collect(self) -> StoredModel:
        """Collect what a file holds."""
        names = getattr(self, "feature_names_in_", None)
        parameters = self.get_params(deep=False)
        operator = self.sketch_.operator
        return StoredModel(
            estimator=type(self).__name__,
            parameters={name: to_json(value, name, operator) for name, value in parameters.items()},
            numbers={
                name: to_json(getattr(self, name), name, operator)
                for name in (*self._own_numbers, *self._stored_numbers)
                if hasattr(self, name)
            },
            feature_names=None if names is None else list(map(str, names)),
            arrays={
                name: np.asarray(getattr(self, name), dtype=np.float64)
                for name in self._stored_arrays
                if hasattr(self, name)
            },
            sketch=self.sketch_,
            report=keep_report(self),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote: it predicts, and `partial_fit` goes on from it.

        Raises
        ------
        ModelFormatError
            If the file is foreign, truncated, altered, of a newer format, or of another class.
        OSError
            If it cannot be read.
        """
        return cls.restore(MODEL_FILE.load(path))

    @classmethod
    def restore(cls, model: StoredModel) -> Self:
        """Return the estimator that a file describes; errors as `load`."""
        if model.estimator != cls.__name__:
            raise ModelFormatError(f"the file holds a {model.estimator}, expected a {cls.__name__}")
        operator = model.sketch.operator
        try:
            estimator = cls(**{n: from_json(v, operator) for n, v in model.parameters.items()})
            estimator._check_stored_parameters()
            cls._check_values(model, getattr(estimator, "covariance_type", None))
            expected = {*cls._own_numbers, *cls._stored_numbers}
            check_numbers(model.numbers, expected - OPTIONAL_NUMBERS)
        except ModelFormatError:
            raise
        except NONSENSE as error:
            raise ModelFormatError(f"the file does not describe a model: {error}") from error
        absent = dict.fromkeys(cls._own_numbers, 0)
        for name, value in {**absent, **model.arrays, **model.numbers}.items():
            setattr(estimator, name, value)
        estimator.sketch_ = model.sketch
        estimator._kept_report = model.report
        estimator.n_features_in_ = operator.n_features
        estimator.sketcher_ = Sketcher.from_sketch(model.sketch, estimator.n_jobs)
        if model.feature_names is not None:
            estimator.feature_names_in_ = np.array(model.feature_names, dtype=object)
            estimator.sketcher_.feature_names_in_ = estimator.feature_names_in_
        estimator._held = []
        estimator._restore_more(model)
        return estimator

    def _restore_more(self, model: StoredModel) -> None:
        """Set what a class of estimators has beside arrays and numbers; a ValueError refuses it."""
        if model.classes is not None:
            raise ModelFormatError(f"a {type(self).__name__} has no classes, and the file has some")

    @classmethod
    def _check_values(cls, model: StoredModel, covariance_type: str | None) -> None:
        """Refuse fitted values other than this class's, or of shapes that do not go together."""
        unknown = {*model.arrays} - {*cls._stored_arrays} | (
            {*model.numbers} - {*cls._own_numbers, *cls._stored_numbers}
        )
        if unknown or {*cls._stored_arrays} - {*model.arrays}:
            raise ModelFormatError(
                f"the file's fitted values are not those of a {cls.__name__}: "
                f"{', '.join([*model.arrays, *model.numbers])}"
            )
        sizes = {"d": model.sketch.operator.n_features, "k": len(model.arrays[cls._counted_by])}
        for name, ways in cls._stored_arrays.items():
            if len(ways) > 1:
                ways = (SHAPES[str(covariance_type)],)
            shapes = [tuple(sizes[letter] for letter in way) for way in ways]
            if (shape := model.arrays[name].shape) not in shapes:
                raise ModelFormatError(
                    f"the model's {name} must have shape {' or '.join(map(str, shapes))}, got "
                    f"{shape}"
                )

    def _check_stored_parameters(self) -> None:
        """Refuse parameters that `fit` would refuse."""
        self._check_parameters()
        thread_count(self.n_jobs)

    def _check_flags(self) -> None:
        """Refuse flags that are neither true nor false."""
        for name in FLAGS:
            if not isinstance(flag := getattr(self, name, False), bool | np.bool_):
                raise TypeError(f"{name} must be True or False, got {flag!r}")

    @abstractmethod
    def _check_parameters(self) -> None:
        """Refuse parameters of the wrong kind before any work is done."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: no rows that are held back, unless that is asked for."""
        if getattr(self, "_held", []) and not _rows_are_allowed.get():
            raise ValueError(
                "rows are held back that a pickle would hold: call partial_fit() first, or pickle "
                "within sketchlearn.estimators.allow_rows_in_pickles()"
            )
        return dict(super().__getstate__())

    def __copy__(self) -> Self:
        """Return a copy that shares its attributes; nothing leaves the process."""
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy that shares nothing; nothing leaves the process."""
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return new
