"""Compare principal components of sketches with scikit-learn's, and private ones with others'.

``python -m docs.benchmarks.components`` prints how far components are from those of an SVD of the
rows, after rows came in pieces and others were taken out again, and the seconds; ``--private``
how much of the variance private components explain. Those of opendp and diffprivlib are asked
where ``--rival PYTHON`` names an interpreter that has both, and randomgen.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA

from datasets.mnist import load_mnist
from sketchlearn import CompressivePCA, Sketcher
from sketchlearn.privacy import release

Rows = NDArray[np.float64]

N_COMPONENTS, N_REPEATS = 4, 5
EPSILON, DELTA = 1.0, 1e-6

# Rivals run in an interpreter of their own: rows by standard input, components by output.
RIVALS = """
import json, sys, warnings
import numpy as np
import opendp.prelude as dp
from diffprivlib.models import PCA
from opendp.extras.sklearn.decomposition import PCA as OpenPCA
warnings.simplefilter("ignore")
dp.enable_features("contrib", "floating-point", "honest-but-curious")
asked = json.load(sys.stdin)
X, lower, upper = (np.array(asked[name]) for name in ("X", "lower", "upper"))
k, epsilon, norm = asked["k"], asked["epsilon"], asked["norm"]
found = {"opendp": [], "diffprivlib": []}
for seed in range(asked["repeats"]):
    model = PCA(k, epsilon=epsilon, bounds=(lower, upper), data_norm=norm, random_state=seed)
    found["diffprivlib"].append(model.fit(X).components_.tolist())
    model = OpenPCA(epsilon=epsilon, row_norm=norm, n_samples=len(X), n_features=X.shape[1],
                    n_components=k)
    found["opendp"].append(np.asarray(model.fit(X).components_).tolist())
json.dump(found, sys.stdout)
"""


def load_tables() -> dict[str, Callable[[], Rows]]:
    """Return loaders of tables, real ones and two that are large."""
    return {
        "wine, 178 x 13": lambda: load_wine().data,
        "breast cancer, 569 x 30": lambda: load_breast_cancer().data,
        "diabetes, 442 x 10": lambda: load_diabetes().data,
        "digits, 1797 x 64": lambda: load_digits().data,
        "Gaussian, 1000000 x 10": lambda: draw_gaussian(1_000_000, 10),
        "Gaussian, 200000 x 64": lambda: draw_gaussian(200_000, 64),
    }


def draw_gaussian(n: int, d: int) -> Rows:
    """Draw rows with deviations from 1 to 100, off the origin."""
    rng = np.random.default_rng(0)
    return 7.0 + rng.normal(size=(n, d)) @ np.diag(np.geomspace(1.0, 100.0, d))


def compare_exactly(name: str, rows: Rows) -> None:
    """Print the largest differences to an SVD of the rows, and the seconds of fits."""
    rng = np.random.default_rng(1)
    others = rng.normal(rows.mean(axis=0), 4.0 * rows.std(axis=0) + 1e-3, size=(99, rows.shape[1]))
    model = CompressivePCA()
    for some in np.array_split(np.concatenate([rows, others]), 8):
        model.partial_fit(some)
    left = model.sketch_ - model.sketcher_.sketch(others)
    model = CompressivePCA().fit_sketch(left)
    exact = PCA(svd_solver="full").fit(rows)
    widths = np.sqrt(exact.explained_variance_)
    varies = widths > 1e-8 * widths[0]
    components = np.abs(model.components_ - exact.components_)[varies].max()
    variances = np.abs(model.explained_variance_ / exact.explained_variance_ - 1.0)[varies].max()
    seconds = [
        measure_seconds(partial(each.fit, rows))
        for each in (CompressivePCA(), PCA(), PCA(svd_solver="full"))
    ]
    print(
        f"{name} | components {components:.1e} | variances {variances:.1e} | "
        + " / ".join(f"{each:.3f} s" for each in seconds)
        + f" | {len(left.to_bytes()):,} bytes",
        flush=True,
    )


def measure_seconds(call: Callable[[], Any]) -> float:
    """Return the least processor seconds of three calls, after one that compiles."""
    call()
    found = []
    for _ in range(3):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def load_private_tables() -> dict[str, tuple[Rows, Rows, Rows]]:
    """Return rows and the corners of boxes that are known beforehand."""
    digits, images = load_digits().data, load_mnist().images
    # 49 means of 4 x 4 pixels.
    small = images.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(len(images), 49)
    gaussian = np.clip(draw_gaussian(20_000, 10) - 7.0, -300.0, 300.0)
    return {
        "digits, 1797 x 64": (digits, np.zeros(64), np.full(64, 16.0)),
        f"MNIST, {len(small)} x 49": (small.astype(float), np.zeros(49), np.ones(49)),
        "Gaussian, 20000 x 10": (gaussian, np.full(10, -300.0), np.full(10, 300.0)),
    }


def compare_privately(name: str, rows: Rows, lower: Rows, upper: Rows, rival: str | None) -> None:
    """Print the share of the exact components' variance that private ones explain."""
    covariance = np.cov(rows.T, bias=True)
    exact = PCA(N_COMPONENTS, svd_solver="full").fit(rows)

    def explain(axes: Rows) -> float:
        return float(np.trace(axes @ covariance @ axes.T) / exact.explained_variance_.sum())

    found: dict[str, list[float]] = {"sketchlearn": []}
    for seed in range(N_REPEATS):
        sketcher = Sketcher.from_domain(
            lower, upper, n_frequencies=1, clip=True, random_state=seed
        ).set_params(moments="full")
        private = release(sketcher.sketch(rows), epsilon=EPSILON, delta=DELTA, moments_share=0.99)
        with warnings.catch_warnings():
            # That some components are noise, which is what is measured.
            warnings.simplefilter("ignore")
            found["sketchlearn"].append(
                explain(CompressivePCA(N_COMPONENTS).fit_sketch(private).components_)
            )
    # Both bound the rows' norm: about the middle of the box it is half as large.
    middle = 0.5 * (lower + upper)
    if rival:
        asked = ask_rivals(rival, rows - middle, lower - middle, upper - middle)
        found |= {label: [explain(np.array(each)) for each in own] for label, own in asked.items()}
    cells = [f"{label} {np.median(each):.3f} ({min(each):.3f})" for label, each in found.items()]
    print(f"{name} | " + " | ".join(cells), flush=True)


def ask_rivals(rival: str, rows: Rows, lower: Rows, upper: Rows) -> dict[str, list[Any]]:
    """Return the components that others find, at the same epsilon and delta zero."""
    asked = {
        "X": rows.tolist(),
        "lower": lower.tolist(),
        "upper": upper.tolist(),
        "norm": float(np.linalg.norm(upper)),
        "k": N_COMPONENTS,
        "epsilon": EPSILON,
        "repeats": N_REPEATS,
    }
    done = subprocess.run(
        [rival, "-c", RIVALS],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--private", action="store_true", help="private components")
    parser.add_argument("--rival", help="interpreter with opendp, randomgen and diffprivlib")
    parser.add_argument("--tables", default="", help="tables whose names begin so, by commas")
    options = parser.parse_args(arguments)
    starts = tuple(options.tables.split(","))
    if options.private:
        for name, table in load_private_tables().items():
            if name.startswith(starts):
                compare_privately(name, *table, rival=options.rival)
        return
    for name, load in load_tables().items():
        if name.startswith(starts):
            compare_exactly(name, load())


if __name__ == "__main__":
    main()
