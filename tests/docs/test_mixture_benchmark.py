"""The benchmark of mixtures runs on small cases, goes on where it was, and writes its page."""

import numpy as np
import pytest

from docs.benchmarks import _log, _mixture_cases, _mixture_report, mixtures


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Small planted mixtures; where the benchmark may write, as options."""
    monkeypatch.setattr(_mixture_cases, "N_PLANTED", 3000)
    return ["--log", str(tmp_path / "log.jsonl"), "--page", str(tmp_path / "page.md"),
            "--figure", str(tmp_path / "figure.png")]  # fmt: skip


@pytest.mark.quality
@pytest.mark.slow
def test_mixtures_on_a_small_case(places, tmp_path, capsys):
    options = ["--cases", "overlapping 2-d", "--seeds", "1", *places]
    mixtures.main(options)
    first = _log.read(tmp_path / "log.jsonl")
    assert [record["method"] for record in first] == [
        "EM", "sketch alone", "same bytes", "same time", "EM once"
    ]  # fmt: skip
    assert abs(_mixture_report.gaps(first, "overlapping 2-d", "sketch alone")[0]) < 0.2
    page = (tmp_path / "page.md").read_text("utf-8")
    assert "| overlapping 2-d | 250 | 1 |" in page
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")

    capsys.readouterr()
    mixtures.main(options)
    assert "seed 1000" not in capsys.readouterr().out
    assert _log.read(tmp_path / "log.jsonl") == first


@pytest.mark.slow
def test_results_on_other_rows_are_not_mixed(places, monkeypatch):
    options = ["--cases", "separated 2-d", "--seeds", "1", *places]
    mixtures.main([*options, "--methods", "same bytes"])
    monkeypatch.setattr(_mixture_cases, "N_PLANTED", 4000)
    with pytest.raises(SystemExit, match=r"4,000 rows here.* results on 3,000"):
        mixtures.main([*options, "--methods", "EM once"])


def test_results_of_other_code_are_left_out():
    record = {"case": "separated 2-d", "method": "sketch alone", "seed": 1000}
    assert mixtures.current([record | {"code": "0" * 12}]) == []
    assert len(mixtures.current([record | {"code": ""}])) == 1


def test_aims_say_met_and_missed():
    records = [
        {"case": "separated 2-d", "method": method, "seed": seed, "log_likelihood": value}
        for seed in (1000, 1001, 1002)
        for method, value in (("EM", -5.0), ("sketch alone", -5.01 - 0.3 * (seed == 1002)))
    ]
    assert "0.010, met | 0.310, missed" in _mixture_report.aims(records)


@pytest.mark.parametrize("kind", ["spherical", "diag", "full"])
def test_planted_rows_have_the_planted_moments(kind):
    rng = np.random.default_rng(0)
    roots = _mixture_cases.factors(kind, 2, 3, rng)
    centers = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])
    X = _mixture_cases.drawn(40_000, centers, roots, np.array([0.3, 0.7]), rng)
    near = X[:, 0] < 5
    assert near.mean() == pytest.approx(0.3, abs=0.01)
    np.testing.assert_allclose(np.cov(X[near].T), roots[0].T @ roots[0], atol=0.03)
    np.testing.assert_allclose(np.cov(X[~near].T), roots[1].T @ roots[1], atol=0.03)


def test_separated_centers_are_apart():
    centers = _mixture_cases.separated_centers(10, 2, np.random.default_rng(1))
    distances = np.linalg.norm(centers[:, None] - centers, axis=2) + 99 * np.eye(10)
    assert distances.min() >= _mixture_cases.SEPARATION
