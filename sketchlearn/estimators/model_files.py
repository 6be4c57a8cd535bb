"""Fitted estimators as files: safetensors with a digest, like sketches; nothing is pickled."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sketchlearn.exceptions import ModelFormatError, SketchFormatError
from sketchlearn.sketching import Sketch, Sketcher
from sketchlearn.sketching.atomic import write_atomically
from sketchlearn.sketching.container import FileKind

MODEL_FILE = FileKind("model", 1, ModelFormatError)
# What JSON has, and a constructor takes.
PLAIN = (bool, int, float, str)


@final
@dataclass(frozen=True, eq=False)
class StoredModel:
    """What a model's file holds.

    Parameters
    ----------
    estimator : str
        Name of the class.
    parameters, numbers : dict
        The constructor's arguments and the fitted numbers, of JSON's types.
    feature_names : list of str, optional
        Names of the features, if they had any.
    arrays : dict of str to ndarray
        Fitted arrays, float64.
    sketch : Sketch
        What was decoded.
    """

    estimator: str
    parameters: dict[str, Any]
    numbers: dict[str, Any]
    feature_names: list[str] | None
    arrays: dict[str, np.ndarray]
    sketch: Sketch

    def to_bytes(self) -> bytes:
        """Give the bytes of a safetensors file; equal models give equal bytes."""
        metadata = {
            "estimator": self.estimator,
            "parameters": _json(self.parameters),
            "numbers": _json(self.numbers),
            "feature_names": _json(self.feature_names),
        }
        sketch = np.frombuffer(self.sketch.to_bytes(), dtype=np.uint8)
        return MODEL_FILE.laid_out({**self.arrays, "sketch": sketch}, metadata)

    @classmethod
    def from_bytes(cls, data: bytes) -> StoredModel:
        """Give the model that `to_bytes` turned into these bytes.

        Raises
        ------
        ModelFormatError
            If they are foreign, altered, too new, or do not describe a model.
        """
        arrays, metadata = MODEL_FILE.contents(data)
        try:
            sketch = Sketch.from_bytes(arrays.pop("sketch").tobytes())
            parameters, numbers, names = (
                json.loads(metadata[name]) for name in ("parameters", "numbers", "feature_names")
            )
            model = cls(metadata["estimator"], parameters, numbers, names, arrays, sketch)
        except (KeyError, SketchFormatError, ValueError, RecursionError) as error:
            raise ModelFormatError(f"the file does not describe a model: {error!r}") from error
        model._check()
        return model

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> StoredModel:
        """Read a file that an estimator's ``save`` wrote; errors as `from_bytes`."""
        return cls.from_bytes(MODEL_FILE.read(path))

    def _check(self) -> None:
        """Refuse what no estimator has."""
        for name, values in (("parameters", self.parameters), ("numbers", self.numbers)):
            if not isinstance(values, dict) or not all(map(_is_plain, values.values())):
                raise ModelFormatError(f"the model's {name} are not plain values: {values!r}")
        names = self.feature_names
        if names is not None and (
            not isinstance(names, list)
            or not all(isinstance(name, str) for name in names)
            or len(names) != self.sketch.operator.n_features
        ):
            raise ModelFormatError(f"the model's feature names are not one a feature: {names!r}")
        for name, array in self.arrays.items():
            if array.dtype != np.float64 or not np.isfinite(array).all():
                raise ModelFormatError(f"the model's {name} must be finite numbers of float64")


class SavedAsFile(BaseEstimator):
    """`save` and `load` of a fitted estimator.

    Attributes
    ----------
    _stored_arrays : dict of str to tuple of str
        Fitted arrays and their possible shapes, a letter a dimension: d is the number of features,
        k that of clusters or components. "kd" is (k, d). ``weights_``, of shape (k,), is one.
    _stored_numbers : tuple of str
        Fitted numbers.
    """

    _stored_arrays: ClassVar[dict[str, tuple[str, ...]]]
    _stored_numbers: ClassVar[tuple[str, ...]]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model and its sketch to a file, wholly or not at all.

        The file is a safetensors file with a digest over everything in it, see the guide to the
        file format. No row travels in it: neither a pilot nor ``labels_``. Parameters that are
        objects (a sketcher, a decoder, a generator) are left out and are None when it is loaded,
        and so is ``mixture_``.

        Raises
        ------
        NotFittedError
            If there is no model yet.
        ValueError
            If `partial_fit` holds rows back that were not decoded yet.
        OSError
            If the file cannot be written; nothing is left behind.
        """
        check_is_fitted(self)
        if getattr(self, "_held", []):
            raise ValueError("rows are held back that no file may keep: call partial_fit() first")
        names = getattr(self, "feature_names_in_", None)
        parameters = self.get_params(deep=False)
        model = StoredModel(
            estimator=type(self).__name__,
            parameters={name: _plain(value) for name, value in parameters.items()},
            numbers={
                name: _plain(getattr(self, name))
                for name in ("_seed", *self._stored_numbers)
                if hasattr(self, name)
            },
            feature_names=None if names is None else list(map(str, names)),
            arrays={
                name: np.asarray(getattr(self, name), dtype=np.float64)
                for name in self._stored_arrays
                if hasattr(self, name)
            },
            sketch=self.sketch_,
        )
        write_atomically(path, model.to_bytes())

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
        return cls.restored(StoredModel.read(path))

    @classmethod
    def restored(cls, model: StoredModel) -> Self:
        """Give the estimator that a file describes; errors as `load`."""
        if model.estimator != cls.__name__:
            raise ModelFormatError(f"the file holds a {model.estimator}, expected a {cls.__name__}")
        try:
            estimator = cls(**model.parameters)
        except TypeError as error:
            raise ModelFormatError(f"the file does not describe a model: {error}") from error
        cls._check_values(model)
        for name, value in {**model.arrays, **model.numbers}.items():
            setattr(estimator, name, value)
        estimator.sketch_ = model.sketch
        estimator.n_features_in_ = model.sketch.operator.n_features
        estimator.sketcher_ = Sketcher.from_operator(model.sketch.operator, estimator.n_jobs)
        if model.feature_names is not None:
            estimator.feature_names_in_ = np.array(model.feature_names, dtype=object)
            estimator.sketcher_.feature_names_in_ = estimator.feature_names_in_
        estimator._held = []
        return estimator

    @classmethod
    def _check_values(cls, model: StoredModel) -> None:
        """Refuse fitted values other than this class's, or of shapes that do not go together."""
        unknown = {*model.arrays} - {*cls._stored_arrays} | (
            {*model.numbers} - {"_seed", *cls._stored_numbers}
        )
        if unknown or {*cls._stored_arrays} - {*model.arrays}:
            raise ModelFormatError(
                f"the file's fitted values are not those of a {cls.__name__}: "
                f"{', '.join([*model.arrays, *model.numbers])}"
            )
        sizes = {"d": model.sketch.operator.n_features, "k": model.arrays["weights_"].size}
        for name, ways in cls._stored_arrays.items():
            shapes = [tuple(sizes[letter] for letter in way) for way in ways]
            if (shape := model.arrays[name].shape) not in shapes:
                raise ModelFormatError(
                    f"the model's {name} must have shape {' or '.join(map(str, shapes))}, got "
                    f"{shape}"
                )


def _json(value: Any) -> str:
    """Give JSON with sorted keys; refuses NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """Give a value of JSON's types; None for an object."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if _is_plain(value) else None


def _is_plain(value: Any) -> bool:
    """Whether JSON has values of this type."""
    return value is None or isinstance(value, PLAIN)
