"""What constants were chosen on is apart from what tables report: generators and seeds."""

from argparse import Namespace
from functools import partial
from itertools import product

import numpy as np
import pytest

from datasets.counted import CALIBRATION, REPORTED
from datasets.families import CHOOSING, JUDGING
from datasets.suite import new_sets, suite
from datasets.synthetic import FIRST_REPORTED_SEED, SYNTHETIC
from datasets.uncommon import UNCOMMON
from docs.benchmarks import _runs, number_of_clusters, verdicts


def runs_of_counts(tmp_path, sets, *, calibration, seeds):
    options = Namespace(
        sets=list(sets), seeds=seeds, calibration=calibration, log=tmp_path / "none"
    )
    return {(run.name, run.seed) for run in number_of_clusters.list_runs(options)}


def test_counts_are_reported_on_other_sets_and_seeds_than_they_were_calibrated_on(tmp_path):
    chosen = runs_of_counts(tmp_path, CALIBRATION, calibration=True, seeds=9)
    reported = runs_of_counts(tmp_path, REPORTED, calibration=False, seeds=100)
    assert len(chosen) == 9 * len(CALIBRATION)
    for each in (0, 1):
        assert {run[each] for run in chosen}.isdisjoint(run[each] for run in reported)
    # Frequencies and subsamples draw from neither's seeds.
    apart = {number_of_clusters.APART + seed for _, seed in chosen | reported}
    assert apart.isdisjoint(seed for _, seed in chosen | reported)


def test_no_generator_of_the_calibration_has_the_settings_of_a_reported_one():
    def settings(sets):
        functions = [one.draw for one in sets.values()]
        partials = [each for each in functions if isinstance(each, partial)]
        return {(each.func, *sorted(map(str, each.keywords.items()))) for each in partials}

    assert len(settings(CALIBRATION)) == len(CALIBRATION)
    assert settings(CALIBRATION).isdisjoint(settings(REPORTED))


@pytest.mark.slow
def test_no_row_of_the_calibration_is_in_a_reported_set():
    def rows_of(sets, seed):
        return {row.tobytes() for one in sets.values() for row in one.draw(seed)[:50]}

    assert rows_of(CALIBRATION, 1).isdisjoint(rows_of(REPORTED, FIRST_REPORTED_SEED))


def test_limits_of_verdicts_were_chosen_on_no_generator_that_tables_report():
    chosen = {one.draw for one in CHOOSING.values()}
    for reported in (JUDGING, UNCOMMON, SYNTHETIC):
        assert chosen.isdisjoint(one.draw for one in reported.values())
    first_chosen, first_reported = (verdicts.PARTS[part][1] for part in ("choosing", "judging"))
    assert first_chosen < FIRST_REPORTED_SEED <= first_reported


def test_tables_of_decoders_start_at_the_first_reported_seed(tmp_path):
    names = [*suite(), *new_sets()]
    assert len(names) == len(set(names))
    options = Namespace(sets=names, seeds=10, n_synthetic=100, log=tmp_path / "none")
    groups = _runs.list_groups(options, [], "method", lambda name, i: product([2], ["any"]))
    assert {group.seed for group in groups} == set(
        range(FIRST_REPORTED_SEED, FIRST_REPORTED_SEED + 10)
    )
    assert np.all([group.runs == ((2, "any"),) for group in groups])
