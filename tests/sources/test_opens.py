"""How often a file is opened: reading over a network, each time has its price."""

from typing import ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem

from sketchlearn import Sketcher, open_source

X = np.random.default_rng(0).normal(size=(5000, 3))
TABLE = pa.table(dict(zip("abc", X.T, strict=True)))


class CountingFileSystem(LocalFileSystem):
    """Local files, by a protocol of their own; what is opened is noted."""

    protocol = "counting"
    opened: ClassVar[list[str]] = []

    def open(self, path, *args, **options):
        self.opened.append(path)
        return super().open(path, *args, **options)


fsspec.register_implementation("counting", CountingFileSystem, clobber=True)


@pytest.fixture(params=["parquet", "feather"])
def source(request, tmp_path):
    path = tmp_path / f"x.{request.param}"
    if request.param == "parquet":
        pq.write_table(TABLE, path, row_group_size=700)
    else:
        pa.feather.write_feather(TABLE, path, chunksize=700)
    opened = open_source(f"counting://{path}")
    CountingFileSystem.opened.clear()
    # Whether an Arrow file is a stream its first bytes say, when it is opened as a source.
    return opened


def test_a_pass_opens_a_file_once(source):
    sketcher = Sketcher(10, random_state=0).fit(X)
    assert sketcher.sketch(source) == sketcher.sketch(X)
    assert len(CountingFileSystem.opened) == 1


def test_a_look_for_a_pilot_reads_all_row_groups_of_one_opening(source):
    Sketcher(10, random_state=0).fit(source)
    # The second time its rows are counted.
    assert len(CountingFileSystem.opened) <= 2
