"""The benchmark of sparse factors and its example run on small sizes."""

import json

import numpy as np
import pytest

from docs.benchmarks import _factor_descent, factorization
from docs.examples import plot_bad_supports
from sketchlearn.factorization import bit_reversal, butterfly


@pytest.mark.slow
def test_parts_are_kept_and_the_page_has_what_was_run(tmp_path):
    log, page = tmp_path / "build" / "log.json", tmp_path / "page.md"
    options = ["--log", str(log), "--page", str(page), "--images", str(tmp_path), "--largest", "64"]
    factorization.main([*options, "--parts", "finding,applying"])
    factorization.main([*options, "--parts", "supports", "--random", "2"])
    assert {"finding", "applying", "supports"} < set(json.loads(log.read_text()))
    text = page.read_text()
    for title in ("Finding", "Applying", "A batch of 256", "Supports"):
        assert title in text
    assert "Fewer bits" not in text
    with pytest.raises(SystemExit, match="unknown parts flying"):
        factorization.main([*options, "--parts", "flying"])


@pytest.mark.slow
def test_descent_on_all_factors_reaches_the_fourier_matrix(tmp_path):
    rows = factorization.descent([8], 0.2)
    ends = {row["method"]: row["curve"][-1][1] for row in rows}
    assert ends["splits"] < 1e-14
    # Without a limit of time it stops where it arrives; it may be a local minimum.
    F = np.fft.fft(np.eye(8))[:, bit_reversal(8)]
    starts = [_factor_descent.random_start(8, np.random.default_rng([8, s])) for s in range(3)]
    errors = [_factor_descent.descend(F, start, np.inf)[-1][1] for start in starts]
    assert min(errors) < 1e-6
    log = tmp_path / "log.json"
    log.write_text(json.dumps({"descent": rows}))
    factorization.write_figures(json.loads(log.read_text()), tmp_path)
    assert (tmp_path / "butterfly_descent.png").read_bytes().startswith(b"\x89PNG")


def test_the_gradient_of_descent():
    rng = np.random.default_rng(0)
    for A in (rng.normal(size=(8, 8)), np.fft.fft(np.eye(8))):
        start = butterfly(A) if A.dtype.kind == "f" else _factor_descent.random_start(8, rng)
        theta, loss = _factor_descent.problem(A, start)
        theta = theta + rng.normal(size=theta.size)
        slope, step = loss(theta)[1], 1e-6
        for i in range(0, theta.size, 7):
            change = np.zeros(theta.size)
            change[i] = step
            difference = (loss(theta + change)[0] - loss(theta - change)[0]) / (2 * step)
            assert slope[i] == pytest.approx(difference, rel=1e-4, abs=1e-4)


@pytest.mark.slow
def test_bits_on_one_matrix(monkeypatch, tmp_path):
    monkeypatch.setattr(factorization, "QUANTISED_SIZES", (16,))
    monkeypatch.setattr(factorization, "BITS", range(3, 6))
    rows = factorization.bits()
    assert len(rows) == 6 * 3
    assert np.median([row["optimal, saved"] for row in rows]) > 0.2
    factorization.write_figures({"bits": rows}, tmp_path)
    assert (tmp_path / "butterfly_bits.png").exists()


@pytest.mark.slow
def test_the_example_of_bad_supports(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plot_bad_supports, "SIZES", {10: "#6366f1"})
    monkeypatch.setattr(plot_bad_supports, "ALPHAS", [1e-1, 1e-3, 1e-5])
    path = tmp_path / "figure.png"
    plot_bad_supports.main(["--figure", str(path), "--supports", "5"])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "not closed: largest weight" in capsys.readouterr().out


def test_the_band_is_wilsons():
    low, high = plot_bad_supports.wilson(0, 200)
    assert low == pytest.approx(0.0, abs=1e-12)
    assert high == pytest.approx(0.0188, abs=1e-4)
