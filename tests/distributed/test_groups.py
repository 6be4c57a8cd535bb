"""Sums by key as they travel between workers."""

import numpy as np
import pytest

from sketchlearn import Sketcher, SketchTable
from sketchlearn.distributed.groups import GroupKind, PartitionGroups

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
ROWS, KEYS = RNG.normal(size=(2_000, 2)), RNG.integers(0, 300, size=2_000)
SKETCHER = Sketcher(9, random_state=0).fit(ROWS)
TABLE = SKETCHER.sketch_groups(ROWS, {"key": KEYS})
KIND = GroupKind(SKETCHER.operator_, ("key",), SKETCHER.moment_kind, 2**31)


def parts_of(sizes):
    cuts = np.cumsum(sizes)[:-1]
    for rows, keys in zip(np.split(ROWS, cuts), np.split(KEYS, cuts), strict=True):
        if len(rows):
            groups = SKETCHER.sketch_groups(rows, {"key": keys}).groups
            yield PartitionGroups(groups, len(rows), np.full(2, len(rows)))
        else:
            yield PartitionGroups.of_rows(KIND, None)


@pytest.mark.parametrize(
    "sizes", [[2000], [1] * 20 + [1980], [1980] + [1] * 20, [0, 500, 0, 1000, 500], [100] * 20]
)
def test_parts_of_any_sizes_add_up_to_the_table(sizes):
    total = PartitionGroups.total(parts_of(sizes), 2**31)
    assert total.n_rows == len(ROWS)
    assert total.n_cut.tolist() == [len(ROWS)] * 2
    assert total.table(KIND, None) == TABLE


def test_groups_that_take_too_much_memory_together_are_refused():
    limit = TABLE.nbytes - 1
    with pytest.raises(ValueError, match=r"groups take more than max_memory"):
        PartitionGroups.total(parts_of([500] * 4), limit)


def test_shards_are_apart_and_make_the_whole_again():
    (whole,) = parts_of([2000])
    shards = [part for _, part in whole.split(8)]
    keys = [key for part in shards for key in part.groups.keys]
    assert sorted(keys) == list(TABLE)
    total = PartitionGroups.total(shards, 2**31)
    assert total.table(KIND, None) == TABLE
    assert (total.n_rows, total.n_cut.tolist()) == (2000, [2000, 2000])


def test_bytes_hold_all_of_it():
    (whole,) = parts_of([2000])
    again = PartitionGroups.from_bytes(whole.to_bytes(KIND), KIND)
    assert again.n_rows == whole.n_rows
    assert again.n_cut.tolist() == whole.n_cut.tolist()
    assert again.groups == whole.groups
    none = PartitionGroups.of_rows(KIND, None)
    empty = PartitionGroups.from_bytes(none.to_bytes(KIND), KIND).table(KIND, None)
    assert empty == SketchTable.empty(SKETCHER.operator_, ["key"])
