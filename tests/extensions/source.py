"""A format of files of one's own: float64 rows, after a number that says how wide they are."""

import numpy as np

from sketchlearn.sources import ArrayPartition, register_format


class RawPartition(ArrayPartition):
    """A file of little-endian numbers: how many columns, and the rows."""

    def __init__(self, file, member):
        self.name, self._file = file.name, file

    def size(self):
        return self._file.size()

    def identity(self):
        return self._file.identity()

    def shape(self):
        with self._file.open() as file:
            width = int(np.frombuffer(file.read(8), dtype="<i8")[0])
        return (self.size() - 8) // (8 * width), width

    def slices(self, n_rows, start):
        width = self.shape()[1]
        with self._file.open() as file:
            file.seek(8 + 8 * width * start)
            while data := file.read(8 * width * n_rows):
                yield np.frombuffer(data, dtype="<f8").reshape(-1, width)


def write_raw(path, rows):
    with open(path, "wb") as file:
        file.write(np.int64(rows.shape[1]).tobytes() + rows.astype("<f8").tobytes())


register_format([".raw"], RawPartition, is_named=False)
