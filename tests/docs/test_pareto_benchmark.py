"""The benchmark of resources against error: what it reads, counts, draws and calls the front."""

import itertools

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin_min
from threadpoolctl import threadpool_limits

from docs.benchmarks import (
    _pareto_methods,
    _pareto_mixtures,
    _pareto_points,
    _pareto_problem,
    _pareto_report,
)

pytestmark = pytest.mark.slow

COSTS = ("seconds", "memory", "kept_bytes", "site_bits", "passes", "operations")


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    rng = np.random.default_rng(0)
    rows = (12.0 * rng.normal(size=(4, 5)))[rng.integers(4, size=5003)] + rng.normal(size=(5003, 5))
    path = tmp_path_factory.mktemp("pareto") / "rows.npy"
    np.save(path, rows.astype(np.float32))
    return _pareto_problem.Problem(path, 4, 1000, *rows.shape)


def test_blocks_and_chosen_rows_are_those_of_the_file(problem):
    rows = np.load(problem.path)
    np.testing.assert_array_equal(problem.read(), rows)
    chosen = np.array([0, 3, 4, 1000, 5002])
    np.testing.assert_array_equal(problem.take(chosen), rows[chosen])
    drawn = {row.tobytes() for row in problem.draw(50)}
    assert len(drawn) == 50
    assert drawn < {row.tobytes() for row in rows}


def test_the_sum_of_squares_is_that_of_scikit_learn(problem):
    centers = problem.draw(4)
    nearest = pairwise_distances_argmin_min(problem.read(), centers, metric="sqeuclidean")[1]
    assert _pareto_problem.sum_squares(problem, centers) == pytest.approx(nearest.sum(), rel=1e-5)


def test_a_coreset_weighs_as_much_as_all_rows(problem):
    totals = [_pareto_methods.draw_coreset(problem, 500)[1].sum() for _ in range(20)]
    # Weights are at most 2 n / size, so the mean of 20 totals has a deviation of at most
    # n / sqrt(20 * 500).
    assert np.mean(totals) == pytest.approx(problem.n, rel=5.0 / np.sqrt(10_000))


def test_means_of_labelled_rows(problem):
    rows, labels = problem.read(), np.arange(problem.n) % 4
    expected = [rows[labels == j].mean(axis=0, dtype=np.float64) for j in range(4)]
    np.testing.assert_allclose(_pareto_methods.mean_rows(problem, labels), expected, rtol=1e-4)
    mixture = _pareto_mixtures.measure_parts(problem, labels)
    np.testing.assert_allclose(mixture.means_, expected, rtol=1e-4)
    spreads = [rows[labels == j].var(axis=0, dtype=np.float64) for j in range(4)]
    np.testing.assert_allclose(mixture.covariances_, spreads, rtol=1e-4)


@pytest.mark.parametrize("label", ["coreset of 500", "dense, 5 kd", "fit, defaults"])
def test_a_method_is_measured_in_a_process_of_its_own(problem, label):
    with threadpool_limits(1):
        best = KMeans(4, n_init=10, random_state=0).fit(problem.read()).inertia_
        found, record = _pareto_problem.measure(_pareto_methods.METHODS[label], problem, 100)
    assert set(record) == set(COSTS)
    assert all(record[cost] >= 0.0 for cost in COSTS)
    assert _pareto_problem.sum_squares(problem, found) < 1.1 * best


def test_what_fails_or_takes_too_long_is_said(problem):
    def fail(problem):
        raise ValueError("no")

    def wait(problem):
        for _ in itertools.count():
            pass

    for run, said in ((fail, "ValueError: no"), (wait, "over 1 s")):
        method = _pareto_problem.Method("a route", run)
        assert _pareto_problem.measure(method, problem, 1) == (None, {"failed": said})


def test_what_another_process_took_counts(problem, tmp_path):
    def prepare(problem):
        (tmp_path / "ready").touch()

    def run(problem):
        assert (tmp_path / "ready").exists()
        return _pareto_problem.Outcome(None, 1, 2, 3, 4, beside_seconds=2.0, beside_memory=7.0)

    method = _pareto_problem.Method("a route", run, prepare=prepare)
    record = _pareto_problem.measure(method, problem, 100)[1]
    assert record["seconds"] >= 2.0
    assert record["memory"] >= 7.0
    assert _pareto_problem.measure(method, problem, 1)[1] == {"failed": "over 1 s"}


def record_of(method, route, seed, error, seconds):
    record = dict.fromkeys(COSTS, 1.0) | {"seconds": seconds, "error": error, "method": method}
    return record | {"model": "k-means", "set": "blobs", "seed": seed, "route": route, "n": 9,
                     "d": 2, "k": 2, "code": ""}  # fmt: skip


def test_the_front_is_of_those_that_nothing_beats(tmp_path):
    runs = [
        ("KMeans, the reference", "full data", 10.0, 8.0),
        ("4,000 rows", "subsampling", 11.0, 2.0),
        ("500 rows", "subsampling", 12.0, 1.0),
        ("coreset of 500", "subsampling", 13.0, 1.5),
    ]
    records = [record_of(method, route, seed, error, seconds)
               for method, route, error, seconds in runs for seed in (1000, 1001)]  # fmt: skip
    failed = record_of("Birch", "full data", 1000, 0.0, 0.0)
    del failed["error"]
    records.append(failed | {"failed": "unfinished"})
    points = _pareto_points.list_points(records, "k-means", "blobs")
    errors = {one.method: one.error for one in points}
    assert errors == pytest.approx(
        {"KMeans, the reference": 0.0, "4,000 rows": 0.1, "500 rows": 0.2, "coreset of 500": 0.3,
         "Birch": np.inf}
    )  # fmt: skip
    front = _pareto_points.find_front(points, "seconds", 1e-3)
    assert front == {"KMeans, the reference", "4,000 rows", "500 rows"}
    page = _pareto_report.page(records)
    assert "| 500 rows | subsampling | 1.200 / 1.200 | **1** |" in page
    assert "| Birch (seeds: 1) | full data | failed / failed |  |" in page
    figures = _pareto_report.figures(records)
    assert set(figures) == {"pareto"}
    figures["pareto"].savefig(tmp_path / "figure.png")
