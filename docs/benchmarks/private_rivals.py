"""K-means of diffprivlib on the cases of `private_clustering.py`, into the same log.

It imports neither this package nor what diffprivlib cannot be imported beside: make an environment
of its own, and run it from the root of a checkout::

    python -m venv rivals && rivals/bin/pip install 'diffprivlib==0.6.6' 'scikit-learn<1.7'
    rivals/bin/python -m docs.benchmarks.private_rivals [--seeds 3] [--cases "blobs 4x"]

It gets the box from -1 to 1 and k, as ours does, and spends epsilon without delta on that k.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from docs.benchmarks._private_cases import EPSILONS, fit_reference, list_cases

LOG = Path("build/private_clustering.jsonl")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every case, epsilon and seed."""
    from diffprivlib.models import KMeans

    parser = argparse.ArgumentParser(description="diffprivlib's k-means.")
    parser.add_argument("--cases", default="blobs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--log", type=Path, default=LOG)
    options = parser.parse_args(argv)
    options.log.parent.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    parts = options.cases.split(",")
    for case in list_cases().values():
        if not any(part in case.name for part in parts):
            continue
        X = case.rows()
        bounds = ([-1.0] * X.shape[1], [1.0] * X.shape[1])
        for seed in range(options.seeds):
            reference = fit_reference(X, case.n_clusters, seed)
            for epsilon in EPSILONS:
                start = time.process_time()
                model = KMeans(case.n_clusters, epsilon=epsilon, bounds=bounds, random_state=seed)
                loss = -float(model.fit(X).score(X))
                record = {"method": "diffprivlib", "case": case.name, "neighbors": "add-remove",
                          "epsilon": epsilon, "seed": seed, "ratio": round(loss / reference, 4),
                          "seconds": round(time.process_time() - start, 2)}  # fmt: skip
                with options.log.open("a") as file:
                    file.write("\n" + json.dumps(record))
            print(f"{case.name}, seed {seed}", flush=True)


if __name__ == "__main__":
    main()
