"""Classify small tables from a sketch of each class, exactly and privately; and print the tables.

``python -m docs.benchmarks.classes`` prints the table of accuracies, ``--private`` that of private
models, in which rivals come from the package diffprivlib: where it is not installed beside
sketchlearn, ``--rival PYTHON`` names an interpreter that has it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from datasets.mnist import load_mnist
from sketchlearn import CompressiveClassifier, Sketcher
from sketchlearn.privacy import release

Table = tuple[NDArray[np.float64], NDArray[np.int64]]

N_SPLITS, TEST_SHARE = 20, 0.3
EPSILON, DELTA = 1.0, 1e-6
# Share of the privacy loss that moments get where no wave is used.
MOMENTS_SHARE = 0.99

# The rival runs in an interpreter of its own: tables by standard input, accuracies by output.
RIVAL = """
import json, sys, warnings
import numpy as np
from diffprivlib.models import GaussianNB
warnings.simplefilter("ignore")
asked = json.load(sys.stdin)
X, y, lower, upper = (np.array(asked[name]) for name in ("X", "y", "lower", "upper"))
found = []
for i, (train, test) in enumerate(asked["splits"]):
    model = GaussianNB(epsilon=asked["epsilon"], bounds=(lower, upper), random_state=i)
    found.append(float(model.fit(X[train], y[train]).score(X[test], y[test])))
json.dump(found, sys.stdout)
"""


def load_tables() -> dict[str, Callable[[], Table]]:
    """Return loaders of the three tables, and of those that defaults were chosen on."""
    return {
        "digits, 1797 x 64": lambda: load_digits(return_X_y=True),
        "breast cancer, 569 x 30": lambda: load_breast_cancer(return_X_y=True),
        "wine, 178 x 13": lambda: load_wine(return_X_y=True),
        "iris, 150 x 4": lambda: load_iris(return_X_y=True),
        "Student's t, 600 x 15": draw_students,
        "log-normal, 600 x 12": draw_lognormal,
        "MNIST, 10 components": lambda: load_mnist_components(10),
        "MNIST, 30 components": lambda: load_mnist_components(30),
    }


def draw_students() -> Table:
    """Draw four classes of Student's t of three degrees of freedom."""
    rng = np.random.default_rng(5)
    means = 0.5 * rng.normal(size=(4, 15))
    return rng.standard_t(3, size=(600, 15)) + means.repeat(150, axis=0), np.arange(4).repeat(150)


def draw_lognormal() -> Table:
    """Draw three classes of log-normal columns."""
    rng = np.random.default_rng(5)
    logarithms = 0.7 * rng.normal(size=(600, 12)) + np.eye(3, 12).repeat(200, axis=0)
    return np.exp(logarithms), np.arange(3).repeat(200)


def load_mnist_components(n_components: int) -> Table:
    """Return MNIST along its first principal components, and the digits."""
    digits = load_mnist()
    pixels = digits.images.astype(np.float64)
    return PCA(n_components, random_state=0).fit_transform(pixels), digits.labels


def list_models(n_rows: int) -> dict[str, Any]:
    """Return the classifiers of the table by the names that it gives them."""
    logistic = LogisticRegression(max_iter=5000 if n_rows < 5000 else 300)
    models = {
        "one Gaussian": CompressiveClassifier(),
        "diag": CompressiveClassifier(covariance_type="diag"),
        "GaussianNB": GaussianNB(),
        "LDA": LinearDiscriminantAnalysis(),
        "QDA": QuadraticDiscriminantAnalysis(),
        "logistic regression": make_pipeline(StandardScaler(), logistic),
    }
    if n_rows >= 5000:
        models["4 Gaussians"] = CompressiveClassifier(4, random_state=0)
    return models


def split(X: NDArray[np.float64], y: NDArray[np.int64], n_splits: int) -> Iterator[Any]:
    """Yield stratified splits into training and test rows."""
    n_test = min(int(TEST_SHARE * len(X)), 20_000)
    yield from StratifiedShuffleSplit(n_splits, test_size=n_test, random_state=0).split(X, y)


def measure_accuracies(names: list[str], n_splits: int) -> None:
    """Print the mean accuracy of every model on each table, and its standard deviation."""
    for name in names:
        X, y = load_tables()[name]()
        found: dict[str, list[float]] = {}
        for train, test in split(X, y, n_splits if len(X) < 5000 else 1):
            for label, model in list_models(len(X)).items():
                with warnings.catch_warnings():
                    # That QDA's covariances are singular.
                    warnings.simplefilter("ignore")
                    try:
                        score = model.fit(X[train], y[train]).score(X[test], y[test])
                    except np.linalg.LinAlgError:
                        score = np.nan
                found.setdefault(label, []).append(score)
        print_row(name, found)


def measure_private(names: list[str], n_splits: int, rival: str) -> None:
    """Print accuracies of models of epsilon 1, and of the rival's on the same splits."""
    for name in names:
        X, y = load_tables()[name]()
        lower, upper = X.min(axis=0), X.max(axis=0)
        splits = list(split(X, y, n_splits if len(X) < 5000 else 3))
        found: dict[str, list[float]] = {}
        for train, test in splits:
            for kind in ("diag", "full"):
                model = fit_privately(X[train], y[train], lower, upper, kind)
                found.setdefault(kind, []).append(model.score(X[test], y[test]))
        asked = {
            "X": X.tolist(),
            "y": y.tolist(),
            "lower": lower.tolist(),
            "upper": upper.tolist(),
            "splits": [[part.tolist() for part in each] for each in splits],
            "epsilon": EPSILON,
        }
        command = [rival, "-c", RIVAL]
        done = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, check=True
        )
        found["diffprivlib GaussianNB"] = json.loads(done.stdout)
        print_row(name, found)


def fit_privately(
    X: NDArray[np.float64],
    y: NDArray[np.int64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    covariance_type: str,
) -> CompressiveClassifier:
    """Return a model of private sketches, one a class: each row is in one of them."""
    # A column without width would be none of a box; it tells nothing either.
    sketcher = Sketcher.from_domain(
        lower, np.maximum(upper, lower + 1e-3), n_frequencies=1, clip=True, random_state=0
    ).set_params(moments="full" if covariance_type == "full" else "diagonal")
    options = {"epsilon": EPSILON, "delta": DELTA, "moments_share": MOMENTS_SHARE}
    with warnings.catch_warnings():
        # That a class of a few rows is small beside the noise.
        warnings.simplefilter("ignore")
        private = {
            label: release(sketcher.sketch(X[y == label]), **options)  # type: ignore[arg-type]
            for label in np.unique(y)
        }
        return CompressiveClassifier(covariance_type=covariance_type).fit_sketches(private)  # type: ignore[arg-type]


def print_row(name: str, found: dict[str, list[float]]) -> None:
    """Print a line of the table: means and standard deviations."""
    cells = [f"{label} {np.mean(each):.3f} ({np.std(each):.3f})" for label, each in found.items()]
    print(f"{name} | " + " | ".join(cells), flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--private", action="store_true", help="the private models")
    parser.add_argument("--rival", default=sys.executable, help="interpreter with diffprivlib")
    parser.add_argument("--splits", type=int, default=N_SPLITS, help="splits of each small table")
    parser.add_argument("--tables", default="", help="tables whose names begin so, by commas")
    options = parser.parse_args(arguments)
    starts = tuple(options.tables.split(","))
    names = [name for name in load_tables() if name.startswith(starts)]
    if options.private:
        measure_private(names, options.splits, options.rival)
    else:
        measure_accuracies(names, options.splits)


if __name__ == "__main__":
    main()
