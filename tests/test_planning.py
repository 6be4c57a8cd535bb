"""Plans: sizes that keep to what is asked, and refusals that say what can be had."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from sketchlearn import Plan, Sketcher, plan
from sketchlearn.cli.app import app
from sketchlearn.planning.choosing import round_up
from sketchlearn.planning.costs import (
    WIDEST_TIMED,
    Question,
    list_kinds,
    measure_sketching,
    time_sketching,
)
from sketchlearn.planning.prediction import OF_FEW_ROWS, WITHOUT_SIGNS, format_number
from sketchlearn.planning.table import count_decode_seconds, look_up_errors

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def by_default():
    return plan(100_000, 3, 4)


def test_without_limits_it_is_the_automatic_sketch(by_default):
    rows = np.random.default_rng(0).standard_normal((500, 3))
    sketch = Sketcher(n_clusters=4, random_state=0).fit(rows).sketch(rows)
    assert by_default.n_frequencies == sketch.n_frequencies
    # Counts and exponents are written out in the header, with more digits for more rows.
    assert by_default.sketch_bytes == pytest.approx(len(sketch.to_bytes(operator=False)), rel=0.05)
    assert by_default.file_bytes == pytest.approx(len(sketch.to_bytes()), rel=0.05)


def test_counts_may_be_whole_floats(by_default):
    same = plan(1e5, 3.0, np.float64(4.0))
    for name in ("n_samples", "n_features", "n_clusters", "n_frequencies", "sketch_bytes"):
        value = getattr(same, name)
        assert type(value) is int
        assert value == getattr(by_default, name)
    for wrong in (1.5, float("inf"), float("nan"), "1e6", True):
        with pytest.raises(TypeError, match="n_samples must be an integer"):
            plan(wrong, 3)


def test_the_sketcher_is_of_the_size_planned(by_default):
    sketcher = by_default.make_sketcher(random_state=3)
    assert (sketcher.n_frequencies, sketcher.n_clusters) == (by_default.n_frequencies, 4)
    assert (sketcher.operator, sketcher.features) == (by_default.operator, by_default.features)
    assert sketcher.random_state == 3


@pytest.mark.slow
def test_seconds_grow_with_rows_and_shrink_with_workers():
    plans = [plan(n, 3, 4, n_workers=w) for n, w in ((10**8, 1), (10**10, 1), (10**10, 100))]
    few, many, shared = (one.sketch_seconds for one in plans)
    assert few < many / 10.0
    assert shared < many / 10.0


@pytest.mark.slow
def test_a_smaller_error_takes_a_larger_sketch():
    errors = [look_up_errors(ratio, "waves", 50_000 / 20)[0] for ratio in (2, 10)]
    loose, strict = (plan(50_000, 10, 20, error=1.0001 * error, goal="bytes") for error in errors)
    assert loose.n_frequencies < strict.n_frequencies
    assert strict.expected_error <= 1.0001 * errors[1]


@pytest.mark.slow
def test_bytes_are_kept_to_and_used():
    whole = plan(1000, 10, 20)
    less = plan(1000, 10, 20, max_bytes=whole.sketch_bytes / 4)
    assert 0.2 * whole.sketch_bytes < less.sketch_bytes <= whole.sketch_bytes / 4


@pytest.mark.parametrize(
    ("asked", "limits"), [((993_052, 7, 4), {}), ((10**6, 40, 8), {"max_bytes": 2000.0})]
)
def test_what_is_nearest_can_be_asked_for(asked, limits):
    with pytest.raises(ValueError, match="no sketch keeps to") as refused:
        plan(*asked, error=1e-6, **limits)
    found = re.search(r"takes ([\d,]+) bytes .* an error of ([\d.e-]+) is", str(refused.value))
    error, n_bytes = float(found[2]), float(found[1].replace(",", ""))
    limits = {"max_bytes": n_bytes} if limits else {}
    assert plan(*asked, error=error, **limits).expected_error <= error


def test_very_wide_transforms_say_what_their_first_pass_costs(by_default):
    fast = replace(by_default, operator="fast", alternatives=())
    wide, wider, narrower = (replace(fast, n_features=d) for d in (20_000, 100_000, 10_000))
    seconds = []
    for one in (wide, wider):
        (note,) = [each for each in one.notes if "An operator of so many columns" in each]
        seconds.append(float(re.search(r"takes some ([\d.]+) s", note)[1]))
    assert 10.0 < seconds[1] / seconds[0] < 50.0
    assert not any("An operator" in note for note in narrower.notes)


@pytest.mark.parametrize("n_features", [3, 30, 200])
def test_bytes_are_those_of_the_sketch_of_each_kind(n_features):
    n = 3000
    rows = np.random.default_rng(0).standard_normal((n, n_features))
    kinds = set()
    for goal in ("bytes", "error"):
        one = plan(n, n_features, 3, goal=goal)
        kinds.add((one.operator, one.features))
        sketch = one.make_sketcher(random_state=1).fit(rows).sketch(rows)
        bare, whole = (
            len(sketch.to_bytes(operator=has_operator)) for has_operator in (False, True)
        )
        assert bare <= one.sketch_bytes <= 1.05 * bare
        assert one.file_bytes == pytest.approx(whole, rel=0.05)
    assert len(kinds) > 1


def test_counts_of_signs_take_more_bytes_for_more_rows():
    few, many = (plan(n, 2, 3, goal="bytes") for n in (2_000, 10**9))
    assert few.features == many.features == "signs"
    # A count of up to 2,000 takes two bytes, and one of up to 10^9 four, for cosine and sine each.
    added = many.sketch_bytes - few.sketch_bytes
    assert added == pytest.approx(4 * few.n_frequencies, rel=0.1)


def test_each_goal_is_least_of_its_plan():
    asked = (100_000, 30, 4)
    by_bytes, by_error = (plan(*asked, goal=goal) for goal in ("bytes", "error"))
    # Fewer bytes for the same: half as many for each wave, and no matrix.
    assert (by_bytes.operator, by_bytes.features) == ("fast", "signs")
    assert by_bytes.sketch_bytes < by_error.sketch_bytes
    assert by_error.expected_error < by_bytes.expected_error
    with pytest.raises(ValueError, match="goal must be one of 'seconds', 'bytes', 'error'"):
        plan(*asked, goal="speed")
    with pytest.raises(ValueError, match="got \\['bytes'\\]"):
        plan(*asked, goal=["bytes"])


def test_rows_that_are_smaller_than_their_sketch_are_to_be_kept():
    few, many = (plan(n, 10, 10, error=0.02) for n in (500, 100_000))
    assert few.file_bytes >= 4 * 500 * 10
    said = "Keep the rows: as float32 they take 20 kB, no more than a file of this sketch with its"
    assert few.notes[0].startswith(said)
    assert few.notes[0] in str(few)
    assert "Keep the rows" not in str(many)


def test_signs_are_said_to_have_a_range():
    assert plan(10_000, 3, 3, goal="bytes").notes == (WITHOUT_SIGNS,)
    assert "up to some thirty of their widths" in WITHOUT_SIGNS
    assert plan(10_000, 200, 3).notes == ()


def test_large_numbers_are_written_out():
    assert [format_number(x, 2) for x in (107.3, 0.126, 12_345.0)] == ["110", "0.13", "12,000"]


def test_many_columns_have_no_matrix():
    assert plan(10_000, 200, 3).operator == "fast"
    assert plan(10_000, 20, 3).operator == "dense"


def test_alternatives_keep_to_the_limits_and_are_cheaper_in_something():
    chosen = plan(10_000, 30, 4, error=0.05)
    assert chosen.alternatives
    for one in chosen.alternatives:
        assert one.expected_error <= 0.05
        assert (
            one.sketch_bytes < chosen.sketch_bytes
            or one.file_bytes < chosen.file_bytes
            or one.expected_error < chosen.expected_error
        )
        assert one.describe_in_short() in str(chosen)
        assert one.alternatives == ()


@pytest.mark.slow
def test_an_error_in_per_cent_is_refused():
    with pytest.raises(ValueError, match=r"such as 0\.02 for two per cent, got 2"):
        plan(100_000, 5, 5, error=2.0)


@pytest.mark.parametrize("limit", [{"max_bytes": 10}, {"error": 1e-9}, {"max_seconds": 1e-9}])
def test_what_cannot_be_met_is_refused_with_the_nearest(limit):
    with pytest.raises(ValueError, match=r"no sketch keeps to .*; the nearest, of \d+ frequencies"):
        plan(10**6, 4, 3, **limit)


def test_the_seconds_of_the_nearest_are_not_less_than_it_takes():
    for seconds in (1e-3, 0.187, 0.95, 9.99, 110.0):
        assert 1.1 * seconds <= round_up(seconds) <= 1.25 * seconds


@pytest.mark.slow
def test_a_small_sketch_of_wide_rows_is_said_to_leave_doubt():
    small, automatic = plan(20_000, 300, 5, error=0.5), plan(20_000, 300, 5)
    assert small.n_frequencies < automatic.n_frequencies
    said = f"than those of {automatic.n_frequencies:,} frequencies may leave a decode doubtful"
    assert said in str(small)
    assert said not in str(automatic)
    assert "doubtful" not in str(plan(20_000, 30, 5, error=0.5))


@pytest.mark.parametrize("name", ["n_samples", "n_features", "n_clusters", "n_workers"])
@pytest.mark.parametrize("value", [0, -3, 1.5])
def test_counts_are_checked(name, value):
    arguments = {"n_samples": 100, "n_features": 2, "n_clusters": 2, name: value}
    with pytest.raises((TypeError, ValueError), match=name):
        plan(**arguments)


@pytest.mark.parametrize("name", ["error", "max_bytes", "max_seconds"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, "a"])
def test_limits_are_checked(name, value):
    with pytest.raises((TypeError, ValueError), match=name.removeprefix("max_")):
        plan(100, 2, 2, **{name: value})


@pytest.mark.parametrize(
    ("n_features", "n_clusters", "said"),
    [
        (131_072, 10**4, "a pilot of [0-9,]+ rows in 131,072 columns would take"),
        (20, 10**8, "are an operator of .* GB"),
        (2, 10**5, "100,000 clusters holds a matrix of .* GB"),
    ],
)
def test_what_would_not_fit_into_memory_is_said_before_it_is_drawn(n_features, n_clusters, said):
    with pytest.raises(ValueError, match=said):
        plan(10**9, n_features, n_clusters)


def test_as_many_columns_as_sketches_take_are_planned_for():
    question = Question(n_samples=1_000, n_features=100_000, n_clusters=10, n_workers=1)
    assert list_kinds(question, 2_000) == [("fast", "waves"), ("fast", "signs")]


@pytest.mark.parametrize("name", ["n_samples", "n_features", "n_clusters", "n_workers"])
@pytest.mark.parametrize("value", [10**400, 2**63, 1e300])
def test_counts_beyond_all_files_are_refused(name, value):
    arguments = {"n_samples": 100, "n_features": 2, "n_clusters": 2, name: value}
    with pytest.raises(ValueError, match=rf"{name} must be less than 2\*\*63, got one of \d+ bits"):
        plan(**arguments)


@pytest.mark.slow
def test_as_many_rows_as_sums_hold_are_planned_and_no_more():
    assert plan(2**40 - 1, 2, 2).n_samples == 2**40 - 1
    with pytest.raises(ValueError, match="n_samples must be less than 1,099,511,627,776"):
        plan(2**40, 2, 2)


def test_fewer_rows_than_clusters_are_refused():
    message = "n_samples must be at least n_clusters, got 1 rows for 10 clusters"
    with pytest.raises(ValueError, match=message):
        plan(1, 10, 10)


def test_errors_fall_with_the_size():
    for features in ("waves", "signs"):
        found = [look_up_errors(ratio, features, 1e6) for ratio in (1, 2, 3, 5, 8, 10, 30)]
        medians, nines = np.transpose(found)
        assert np.all(np.diff(medians) <= 0.0)
        assert np.all(medians < nines)


def test_errors_grow_where_rows_are_few():
    for ratio in (2, 5, 10):
        found = [look_up_errors(ratio, "waves", rows) for rows in (1e6, 1000, 100, 30)]
        assert np.all(np.diff(found, axis=0) > 0.0)


@pytest.mark.slow
def test_the_command_prints_the_plan():
    options = ["plan", "--rows", "1e6", "--columns", "3", "-k", "4", "--goal", "bytes"]
    said = CliRunner().invoke(app, options)
    assert said.exit_code == 0, said.output
    assert "1,000,000 rows" in said.output
    printed = json.loads(CliRunner().invoke(app, [*options, "--json"]).output)
    assert set(printed) == {*Plan.__dataclass_fields__, "notes"}
    assert printed["notes"] == [WITHOUT_SIGNS]
    assert printed["n_samples"] == 10**6


@pytest.mark.parametrize("rows", ["1.5", "many"])
def test_the_command_refuses_rows_that_are_no_number(rows):
    said = CliRunner().invoke(app, ["plan", "--rows", rows, "--columns", "3"])
    assert said.exit_code == 2
    assert "--rows" in said.output


@pytest.mark.parametrize("option", ["--bytes", "--seconds"])
def test_the_command_says_what_came_in_place_of_a_number(option):
    said = CliRunner().invoke(app, ["plan", "--rows", "9", "--columns", "3", option, "2%"])
    assert said.exit_code == 2
    assert f"'{option}': expected a number, as 0.5 or 1e4, got '2%'" in said.output


def test_decodes_of_many_clusters_in_wide_rows_take_as_long_as_they_do():
    # Of Gaussians around 60 points of a box one took 39 s, where the table's reference took 14 ms.
    quick, seconds, slow = count_decode_seconds(500, 60, 14_400, "dense", "waves", 1000.0)
    assert 20.0 < quick == seconds < 80.0
    assert slow > 2.0 * seconds
    # From fewer frequencies clusters are sought again and again: more than 60 s.
    quick, fewer, slow = count_decode_seconds(300, 30, 3000, "dense", "waves", 1000.0)
    assert fewer > 3.0 * count_decode_seconds(300, 30, 4500, "dense", "waves", 1000.0)[1]
    assert quick < fewer < slow


def test_few_rows_take_decodes_longer_and_are_said_to_leave_errors_open():
    few, many = (
        count_decode_seconds(10, 20, 1000, "dense", "waves", rows)[1] for rows in (20.0, 1000.0)
    )
    assert few > 1.2 * many
    few, many = (plan(n, 4, 30) for n in (1000, 10_000))
    assert OF_FEW_ROWS in few.notes
    assert OF_FEW_ROWS not in many.notes


def test_shapes_beyond_those_timed_are_said_to_be_a_guess():
    assert "Decodes of up to 100 clusters were timed" in str(plan(100_000, 2, 150))
    assert "were timed" not in str(plan(100_000, 2, 50))


def test_clusters_that_are_sought_again_are_told_of():
    said = str(plan(10_000, 500, 60))
    assert " s where no cluster seems to be missing), or up to" in said
    assert "to be missing" not in str(plan(10_000, 3, 5))


def test_workers_without_rows_are_no_help():
    one, all_busy, absurd = (plan(10**5, 2, 3, n_workers=n) for n in (1, 40, 10**9))
    assert not any("workers" in note for note in (*one.notes, *all_busy.notes))
    assert any("100,000 rows keep 48 busy, not 1,000,000,000" in note for note in absurd.notes)
    # Times vary, by less than this.
    assert one.sketch_seconds / 500.0 < absurd.sketch_seconds
    assert "keep 1 busy, not 1,000," in str(plan(1000, 2, 3, n_workers=1000))


def test_very_wide_rows_are_reckoned_from_narrower_ones():
    question, kind = Question(1000, 12_000, 4, 1), ("fast", "waves")
    assert question.n_features > WIDEST_TIMED
    reckoned = measure_sketching(question, kind, 2048, 1e-3, 0)
    timed = time_sketching(question, kind, 2048, 1e-3, 0)
    np.testing.assert_allclose(reckoned[:2], timed[:2], rtol=0.05)
    assert np.all(reckoned[2:] > 0.0)
