"""The benchmarks of settings and of tables' mixtures: what is perturbed, and what pages say."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from docs.benchmarks import _development, _log, ablations, mixture_tables
from sketchlearn.decoders.settings import Settings


@dataclass(frozen=True)
class Some(Settings):
    x: float = 1.0
    n: int = 3


def test_settings_are_found_where_they_are_defined_and_nowhere_else():
    found = ablations.find_settings(ablations.find_modules())
    assert found
    assert all(name.split(".")[-1].isupper() for name in found)
    assert len({id(one) for one in found.values()}) == len(found)
    assert not any(name.startswith("given_atoms") for name in found)


def test_a_setting_is_changed_wherever_it_is_read_and_put_back():
    one, other = Some(), Some()
    modules = {"a": SimpleNamespace(X=one), "b.c": SimpleNamespace(X=one)}
    modules["d"] = SimpleNamespace(X=other)
    with ablations.replaced(modules, "b.c.X.n", 6):
        assert modules["a"].X == modules["b.c"].X == Some(n=6)
        assert Some() == modules["d"].X
    assert modules["a"].X is modules["b.c"].X is one


def test_settings_that_are_no_positive_numbers_are_refused():
    for value in (0, -1.0, np.inf, np.nan, "3"):
        with pytest.raises(ValueError, match="x must be a positive number"):
            Some(x=value)


def test_whole_numbers_stay_whole_and_positive_and_differ():
    for value in (1, 2, 3, 20):
        for factor in ablations.FACTORS:
            changed = ablations.change(value, factor)
            assert isinstance(changed, int)
            assert 0 < changed != value
    assert ablations.change(0.5, 2.0) == 1.0


def test_settings_that_move_no_more_than_chance_are_named():
    def record(setting, factor, loss):
        scores = {"a, k-means": (loss, "good", 1.0), "b, diag": (0.5, "good", 2.0)}
        return {"setting": setting, "factor": factor, "seed": 60, "scores": scores}

    settings = ablations.find_settings(ablations.find_modules())
    loud, still, *_ = ablations.list_fields(settings)
    records = [record("", 0.0, 0.05)]
    records += [record("", 1.0 + i, 0.05 + 0.01 * (-1) ** i) for i in range(ablations.N_STREAMS)]
    for setting, loss in ((loud, 0.5), (still, 0.06)):
        records += [record(setting, 0.5, 0.05), record(setting, 2.0, loss)]
    page = ablations.make_page(records)
    assert f"both ways: `{still}`." in page
    # However far off one task is, it counts for no more than the bound.
    assert f"| `{loud}` |" in page
    assert "| +0.0000 / +0.1000 | +0 / +1 | +0% / +0% | +0.0000 / +0.0000 |" in page
    assert "median loss 0.0500, above 0.1 on average 0.0 of 1" in page


def test_chance_is_what_two_streams_differ_by():
    streams = [[{"a, k-means": (loss, "good", 1.0)}] for loss in (0.0, 0.04, 0.11)]
    chance = ablations.measure_chance(streams, "k-means")
    # Differences of .04, .07 and .11, the last one cut at a tenth.
    assert chance.loss == pytest.approx(np.sqrt((0.04**2 + 0.07**2 + 0.1**2) / 3))
    assert chance.failures == pytest.approx(np.sqrt(2 / 3))
    assert chance.seconds == 0.0


def test_seeds_of_ablations_are_those_of_development(capsys):
    assert ablations.parsed(["--seeds", "40"]).seeds == 40
    with pytest.raises(SystemExit):
        ablations.parsed(["--seeds", "41"])
    assert "below 100" in capsys.readouterr().err


def test_a_task_is_prepared_alike_each_time_and_decoded_in_other_streams():
    task = _development.Task("unequal widths", 8)
    one, other = (_development.prepare(task, 60) for _ in range(2))
    assert one.sketch == other.sketch
    loss, verdict = one.decode()
    assert (loss, verdict) == other.decode()
    assert loss == pytest.approx(0.0, abs=0.1)
    assert replace(one, stream=1).decode()[0] != loss


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
