"""The benchmarks of constants and of tables' mixtures: what is perturbed, and what pages say."""

from types import SimpleNamespace

import numpy as np
import pytest

from docs.benchmarks import _log, ablations, mixture_tables


def test_constants_are_found_where_they_are_defined_and_nowhere_else():
    found = ablations.find_constants(ablations.find_modules())
    # Two on one line; and a name that two modules have, one by import.
    assert {"LEAST_GAIN", "MOST_FAILURES"} <= set(found["greedy.mean_shift"])
    assert "SHAPE_PRECISION" in found["greedy.mean_shift"]
    assert found["given_atoms"] == {}


def test_a_constant_is_changed_wherever_it_is_and_put_back():
    modules = {"a": SimpleNamespace(X=1.0), "b": SimpleNamespace(X=1.0), "c": SimpleNamespace()}
    with ablations.replaced(modules, "X", 2.0):
        assert (modules["a"].X, modules["b"].X) == (2.0, 2.0)
    assert (modules["a"].X, modules["b"].X) == (1.0, 1.0)
    assert not hasattr(modules["c"], "X")


def test_whole_numbers_stay_whole_and_differ():
    for value in (1, 2, 3, 20):
        for factor in ablations.FACTORS:
            changed = ablations.change(value, factor)
            assert isinstance(changed, int)
            assert changed != value
    assert ablations.change(0.5, 2.0) == 1.0


def test_constants_that_move_nothing_are_named():
    def record(name, factor, loss):
        return {"module": "m", "name": name, "factor": factor, "loss": loss, "seconds": 1.0}

    least = ablations.MOVED / 2
    records = [record("", 1.0, 0.01) | {"seeds": 1}]
    for name, moves in (("STILL", (0.0, least)), ("LOUD", (0.0, 0.5))):
        pairs = zip(ablations.FACTORS, moves, strict=True)
        records += [record(name, factor, 0.01 + move) for factor, move in pairs]
    page = ablations.make_page(records)
    assert "both ways: `STILL`." in page
    assert "| `m.LOUD` | +0.0000 | +0.5000 |" in page


def test_seeds_of_ablations_are_those_of_development(capsys):
    assert ablations.parsed(["--seeds", "40"]).seeds == 40
    with pytest.raises(SystemExit):
        ablations.parsed(["--seeds", "41"])
    assert "below 100" in capsys.readouterr().err


def test_the_page_of_tables_tells_medians_and_what_was_announced():
    stem = {"table": "wine", "kind": "diag", "n": 100, "d": 13, "is_warned": False, "seed": 1000}
    losses = {"good": (0.01, 0.02, 0.5), "doubtful": (0.4,)}
    records = [
        stem | {"method": "fit", "verdict": verdict, "loss": loss}
        for verdict, some in losses.items()
        for loss in some
    ]
    page = mixture_tables.make_page(records)
    assert "| diag | fit | 4 | 0.210 | 0.500 | 1 of 2 |" in page
    assert "| wine, 100 x 13, k = 3 | 0.210 / 0.500 (4) |" in page


@pytest.mark.slow
def test_tables_are_drawn_in_units_of_their_columns_and_logged_once(tmp_path):
    assert len(mixture_tables.TABLES) == 15
    X, others = mixture_tables.draw("wine", 0)
    assert (len(X), len(others)) == (119, 59)
    assert np.vstack([X, others]).std(axis=0) == pytest.approx(np.ones(13))
    places = ["--log", str(tmp_path / "log"), "--page", str(tmp_path / "page.md")]
    options = [*places, "--tables", "wine", "--methods", "fit", "--seeds", "1"]
    mixture_tables.main(options)
    mixture_tables.main(options)
    # Both types, once.
    assert len(_log.read(tmp_path / "log")) == 2
    assert "wine, 119 x 13" in (tmp_path / "page.md").read_text()
