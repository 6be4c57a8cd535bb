"""Dask collections on two real worker processes, killed or not: the bytes that memory gives."""

import os
import signal
import warnings
from pathlib import Path

import dask.array as da
import dask.bag as bag
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from sketchlearn import Sketcher
from sketchlearn.distributed import dask as sketched
from sketchlearn.distributed.rows import Query, Rows
from sketchlearn.distributed.sample import Sample, count_candidates
from sketchlearn.distributed.sums import PartitionSums
from sketchlearn.sources.source import Chunk

pytestmark = pytest.mark.slow

ROWS = np.random.default_rng(0).normal(size=(2_000, 3))
NAMES = ["a", "b", "c"]
SKETCHER = Sketcher(n_frequencies=60, random_state=0).fit(ROWS)
WHOLE = SKETCHER.sketch(ROWS)


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "chunks", [(2_000, 3), (700, 3), (17, 3), (500, 2), ((1, 0, 1_999), (1, 2))]
)
def test_an_array_of_any_chunks(client, chunks):
    assert sketched.sketch(SKETCHER, da.from_array(ROWS, chunks)) == WHOLE


def test_an_array_of_unknown_lengths(client):
    kept = da.from_array(ROWS, (300, 3))
    kept = kept[kept[:, 0] > 0]
    expected = SKETCHER.sketch(ROWS[ROWS[:, 0] > 0])
    assert sketched.sketch(SKETCHER, kept) == expected


@pytest.mark.parametrize("n", [1, 2, 9, 100])
def test_a_data_frame_of_any_partitions(client, n):
    frame = dd.from_pandas(pd.DataFrame(ROWS, columns=NAMES), npartitions=n)
    assert sketched.sketch(SKETCHER, frame) == WHOLE


def test_columns_are_chosen_by_name_and_order(client):
    frame = pd.DataFrame(ROWS[:, ::-1], columns=NAMES[::-1]).assign(text="x")
    frame = dd.from_pandas(frame, npartitions=3)
    assert sketched.sketch(SKETCHER, frame, columns=NAMES) == WHOLE
    named = Sketcher(n_frequencies=60, random_state=0).fit(pd.DataFrame(ROWS, columns=NAMES))
    assert sketched.sketch(named, frame) == WHOLE


def test_one_column_by_its_name(client):
    frame = dd.from_pandas(pd.DataFrame(ROWS, columns=["first", "b", "c"]), npartitions=2)
    one = Sketcher(n_frequencies=20, random_state=0).fit(ROWS[:, :1])
    assert sketched.sketch(one, frame, columns="first") == one.sketch(ROWS[:, :1])


def test_whole_numbers_flags_and_nullable_types_are_numbers(client):
    frame = pd.DataFrame({"i": range(30), "flag": [True, False, True] * 10})
    frame["n"] = pd.array(range(30), dtype="Int16")
    rows = frame.to_numpy(dtype=float)
    sketcher = Sketcher(n_frequencies=20, random_state=0).fit(rows)
    got = sketched.sketch(sketcher, dd.from_pandas(frame, npartitions=4))
    assert got == sketcher.sketch(rows)


@pytest.mark.parametrize("kind", ["rows", "lists", "arrays", "mappings", "lazy"])
def test_a_bag_of(client, kind):
    elements = {
        "rows": list(ROWS),
        "lists": ROWS.tolist(),
        "arrays": np.array_split(ROWS, 13),
        "mappings": [dict(zip(NAMES, row, strict=True)) for row in ROWS.tolist()],
        "lazy": range(2_000),
    }[kind]
    collection = bag.from_sequence(elements, npartitions=5)
    if kind == "lazy":
        collection = collection.map(lambda i: ROWS[i]).filter(lambda row: row is not None)
    columns = NAMES if kind == "mappings" else None
    assert sketched.sketch(SKETCHER, collection, columns=columns) == WHOLE


def test_empty_collections_give_the_empty_sketch(client):
    none = SKETCHER.sketch(ROWS[:0])
    frame = dd.from_pandas(pd.DataFrame(ROWS, columns=NAMES), npartitions=4)
    assert sketched.sketch(SKETCHER, frame[frame.a > 99]) == none
    assert (
        sketched.sketch(SKETCHER, bag.from_sequence([1], npartitions=1).filter(bool).remove(bool))
        == none
    )


@pytest.mark.filterwarnings("ignore:Running on a single-machine scheduler when a distributed")
def test_other_schedulers():
    rows = da.from_array(ROWS, (300, 3))
    assert sketched.sketch(SKETCHER, rows, scheduler="synchronous") == WHOLE
    assert sketched.sketch(SKETCHER, rows, scheduler="threads") == WHOLE


def test_weights_and_filters_travel_to_the_workers(client):
    weights = np.arange(2_000) % 3 / 2
    frame = dd.from_pandas(pd.DataFrame(ROWS, columns=NAMES).assign(w=weights), npartitions=5)
    kept = ROWS[:, 0] > 0
    expected = SKETCHER.sketch(ROWS[kept], weights[kept])
    for chosen in ([("a", ">", 0)], pc.field("a") > 0):
        for sample_weight in ("w", frame.w, weights):
            got = sketched.sketch(
                SKETCHER,
                frame,
                columns=NAMES,
                sample_weight=sample_weight,
                filter=chosen,
                retries=1,
            )
            assert got == expected
    with pytest.raises(TypeError, match=r"num_workers has no effect with a distributed\.Client"):
        sketched.sketch(SKETCHER, frame, columns=NAMES, num_workers=2)


def killed_once(block, marker, block_info=None):
    """Kill the worker that computes the third block, the first time."""
    if block_info and block_info[0]["chunk-location"] == (2, 0) and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return block


def test_a_killed_worker_changes_nothing(client, tmp_path):
    marker = tmp_path / "killed"
    before = set(client.scheduler_info()["workers"])
    rows = da.from_array(ROWS, (150, 3)).map_blocks(
        killed_once, marker=str(marker), dtype=float, meta=np.empty((0, 3))
    )
    assert sketched.sketch(SKETCHER, rows) == WHOLE
    assert marker.exists()
    client.wait_for_workers(2)
    assert set(client.scheduler_info()["workers"]) != before


def failing_once(block, marker):
    if not Path(marker).exists():
        Path(marker).touch()
        raise OSError("the disk was away")
    return block


def test_a_failing_task_is_tried_again_if_asked(client, tmp_path):
    rows = da.from_array(ROWS, (1_000, 3))
    flaky = rows.map_blocks(failing_once, str(tmp_path / "one"), meta=np.empty((0, 3)))
    with pytest.raises(OSError, match="the disk was away"):
        sketched.sketch(SKETCHER, flaky)
    flaky = rows.map_blocks(failing_once, str(tmp_path / "two"), meta=np.empty((0, 3)))
    assert sketched.sketch(SKETCHER, flaky, retries=2) == WHOLE


def test_fit_on_a_collection(client):
    frame = dd.from_pandas(pd.DataFrame(ROWS, columns=NAMES), npartitions=7)
    sketcher = Sketcher(n_frequencies=60, random_state=0)
    assert sketched.fit(sketcher, frame) is sketcher
    assert list(sketcher.feature_names_in_) == NAMES
    # Fewer rows than a pilot has: all of them, in whatever order.
    assert sketcher.operator_.fingerprint == SKETCHER.operator_.fingerprint
    assert sketched.sketch(sketcher, frame) == WHOLE


def test_the_sample_is_bounded_and_spread_over_a_sorted_collection(client):
    rows = da.arange(400_000, chunks=2_000)[:, None] / 400_000
    sketcher = sketched.fit(Sketcher(n_frequencies=10, n_clusters=2, random_state=0), rows)
    pilot = sketcher.pilot_
    assert pilot.shape == (5_000, 1)
    # Of 200 blocks 64 are looked at: the mean of 5,000 of their rows is within 5 deviations.
    deviation = np.sqrt(1 / 12 / 64)
    assert abs(sketcher.center_[0] - 0.5) < 5 * deviation
    assert len(np.unique(np.floor(pilot * 200))) > 50


def test_more_blocks_are_looked_at_while_rows_lack(client):
    rows = da.arange(200_000, chunks=2_000)[:, None].astype(float)
    sparse = rows[(rows[:, 0] % 100) == 0]  # 20 rows in each of 100 blocks.
    sketcher = sketched.fit(Sketcher(n_frequencies=10, random_state=0), sparse)
    assert sketcher.pilot_.shape == (2_000, 1)


@pytest.mark.parametrize(
    ("collection", "columns", "error", "message"),
    [
        (lambda: ROWS, None, TypeError, "expected a Dask array, data frame or bag, got numpy"),
        (lambda: da.ones((5, 3, 2)), None, ValueError, "two-dimensional array, got 3 dimensions"),
        (lambda: da.ones((5, 3)), NAMES, ValueError, "an array has no names"),
        (lambda: da.ones((5, 2)), None, ValueError, "has 2 features, but Sketcher is expecting 3"),
        (lambda: dd.from_dict({"a": [1.0], "b": ["x"]}, 1), None, TypeError, "column 'b' must be"),
        (lambda: dd.from_dict({"a": [1.0]}, 1), NAMES, ValueError, "'b', 'c' are missing; the"),
        (
            lambda: da.full((5, 3), np.nan, chunks=2),
            None,
            ValueError,
            r"block \d of .* NaN .*Imputer",
        ),
        (
            lambda: dd.from_pandas(pd.DataFrame({"a": [1.0], "b": None, "c": 2.0}).astype(float)),
            *(None, ValueError, r"block 0 of .* column 'b' .* no value .*filter"),
        ),
        (lambda: bag.from_sequence([{"a": 1}]), None, ValueError, "needs columns"),
    ],
)
def test_bad_input_is_named(client, collection, columns, error, message):
    with pytest.raises(error, match=message):
        sketched.sketch(SKETCHER, collection(), columns=columns)


def test_an_unfitted_sketcher_and_no_rows_are_refused(client):
    rows = da.ones((5, 3))
    with pytest.raises(ValueError, match="not fitted"):
        sketched.sketch(Sketcher(), rows)
    with pytest.raises(ValueError, match="0 sample"):
        sketched.fit(Sketcher(), rows[rows[:, 0] > 2])


def test_only_the_sums_travel():
    sums = PartitionSums.of_rows(SKETCHER.operator_, "full", Query().of_array(ROWS))
    # And two counts, and how many numbers of each column a box cut.
    assert len(sums.to_bytes()) == 16 * 60 + 144 + 2 * 9 * 8 + 16 + 3 * 8
    back = type(sums).from_bytes(sums.to_bytes())
    assert back.sketch(SKETCHER.operator_, None) == WHOLE


def test_a_sample_keeps_the_smallest_keys_and_stays_bounded():
    chunks = [Chunk(rows) for rows in np.arange(900_000.0).reshape(9, -1, 1)]
    drawn = Sample.of_rows(Rows(None, iter(chunks)), 2, np.random.default_rng(0))
    assert drawn.n_rows == 900_000
    assert len(drawn.rows) == count_candidates(2, 1) == 40
    assert (np.diff(drawn.keys) >= 0).all()
    assert len(np.unique(drawn.rows // 100_000)) > 4
    others = Sample.of_rows(Rows(None, iter(chunks[:1])), 2, np.random.default_rng(1))
    merged = Sample.smallest([drawn, others], 2)
    assert merged.keys[-1] <= min(drawn.keys[-1], others.keys[-1])
    assert count_candidates(5_000, 10) == 100_000
    assert count_candidates(5_000, 784) == 2**25 // (8 * 784)
    assert count_candidates(5_000, 10_000) == 5_000


@pytest.mark.parametrize("moments", ["diagonal", None])
def test_other_moments(client, moments):
    sketcher = Sketcher.from_operator(SKETCHER.operator_).set_params(moments=moments)
    whole = sketcher.sketch(ROWS, np.arange(2_000.0) / 4)
    weights = da.from_array(np.arange(2_000.0) / 4, 300)
    got = sketched.sketch(sketcher, da.from_array(ROWS, (300, 3)), sample_weight=weights)
    assert got.to_bytes() == whole.to_bytes()
    assert got + Sketcher.from_sketch(got).sketch(ROWS[:0]) == whole


@pytest.mark.parametrize("n", [1, 7])
def test_groups_have_the_bytes_that_memory_gives(client, n):
    named = Sketcher(n_frequencies=60, random_state=0).fit(pd.DataFrame(ROWS, columns=NAMES))
    i = np.arange(len(ROWS))
    cities = np.array(["Oslo", "Rome", None], dtype=object)[i % 3]
    rows = pd.DataFrame(ROWS, columns=NAMES).assign(day=i % 5, city=cities, w=(i % 4) / 4)
    frame, by = dd.from_pandas(rows, npartitions=n), ["day", "city"]
    expected = named.sketch_groups(rows[rows["day"] < 4], by, "w")
    filtered = [("day", "<", 4)]
    table = sketched.sketch_groups(named, frame, by, sample_weight="w", filter=filtered)
    assert table == expected
    assert table.feature_names == tuple(NAMES)
    # A column may be a feature and a key; weights may be no column.
    assert sketched.sketch_groups(
        SKETCHER, frame, "day", columns=NAMES, sample_weight=frame["w"]
    ) == SKETCHER.sketch_groups(ROWS, {"day": i % 5}, rows["w"].to_numpy())


def test_groups_that_cannot_be_made(client):
    frame = dd.from_pandas(pd.DataFrame(ROWS, columns=NAMES).assign(i=range(2_000)), npartitions=4)
    with pytest.raises(ValueError, match=r"max_memory=2,000,000"):
        sketched.sketch_groups(SKETCHER, frame, "i", columns=NAMES, max_memory=2_000_000)
    with pytest.raises(TypeError, match="columns of a Dask data frame"):
        sketched.sketch_groups(SKETCHER, da.from_array(ROWS), "i")
    with pytest.raises(ValueError, match="'month' are missing"):
        sketched.sketch_groups(SKETCHER, frame, "month", columns=NAMES)


@pytest.mark.parametrize("way", ["array", "frame", "bag", "groups"])
@pytest.mark.parametrize("scheduler", ["client", "threads"])
def test_a_box_that_cuts_many_rows_is_told_once_and_here(client, way, scheduler):
    options = {} if scheduler == "client" else {"scheduler": scheduler}
    frame = pd.DataFrame(ROWS, columns=NAMES).assign(day=np.arange(2_000) % 3)

    def run(half):
        sketcher = Sketcher.from_domain(
            [-half] * 3, [half] * 3, n_frequencies=20, clip=True, random_state=0
        )
        if way == "groups":
            pieces = dd.from_pandas(frame, npartitions=20)
            return sketched.sketch_groups(sketcher, pieces, "day", columns=NAMES, **options)
        pieces = {
            "array": da.from_array(ROWS, (100, 3)),
            "frame": dd.from_pandas(frame[NAMES], npartitions=20),
            "bag": bag.from_sequence(list(ROWS), npartitions=20),
        }[way]
        return sketched.sketch(sketcher, pieces, **options)

    share = np.mean(np.abs(ROWS) > 1.0, axis=0).max()
    # So few rows of each block are cut that one alone would not be told of.
    with pytest.warns(UserWarning, match=f"clipped to cut {share:.0%} of the numbers") as caught:
        run(1.0)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(9.0)
