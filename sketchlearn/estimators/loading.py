"""Any estimator's file to the estimator."""

from __future__ import annotations

import os

from sketchlearn.estimators.gaussian_mixture import CompressiveGaussianMixture
from sketchlearn.estimators.kmeans import CompressiveKMeans
from sketchlearn.estimators.model_files import SavedAsFile, StoredModel
from sketchlearn.exceptions import ModelFormatError

# By the name that a file has; a file can name no other class.
ESTIMATORS: dict[str, type[SavedAsFile]] = {
    "CompressiveGaussianMixture": CompressiveGaussianMixture,
    "CompressiveKMeans": CompressiveKMeans,
}


def load_model(path: str | os.PathLike[str]) -> SavedAsFile:
    """Read a fitted estimator that its ``save`` wrote, of whichever class the file says.

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
    model = StoredModel.read(path)
    if model.estimator not in ESTIMATORS:
        raise ModelFormatError(
            f"the file holds a {model.estimator[:80]!r}; this library knows "
            f"{', '.join(ESTIMATORS)}. A class of your own has a load of its own"
        )
    return ESTIMATORS[model.estimator].restored(model)
