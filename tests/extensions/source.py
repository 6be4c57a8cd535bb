"""A format of files of one's own, by public names alone: float64 rows, after how wide they are."""

import numpy as np

from sketchlearn.sources import ArrayPartition, register_format


class RawPartition(ArrayPartition):
    """A file of numbers without anything else, but for the number of columns at its beginning."""

    def __init__(self, file, member):
        self.name, self._file = file.name, file

    def shape(self):
        with self._file.open() as file:
            width = int(np.frombuffer(file.read(8), dtype="<i8")[0])
        return (self.size() - 8) // (8 * width), width

    def slices(self, n_rows, start):
        n, width = self.shape()
        for at in range(start, n, n_rows):
            with self._file.open() as file:
                file.seek(8 + 8 * width * at)
                data = file.read(8 * width * n_rows)
            yield np.frombuffer(data, dtype="<f8").reshape(-1, width)

    def size(self):
        return self._file.size()

    def identity(self):
        return self._file.identity()


def write_raw(path, rows):
    path.write_bytes(np.int64(rows.shape[1]).tobytes() + rows.astype("<f8").tobytes())


register_format([".raw"], RawPartition, is_named=False)
