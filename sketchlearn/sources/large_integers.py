"""Integers in text that float64 does not hold, and that are read as fractions beside others."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.arrow_values import is_list
from sketchlearn.sources.exact_values import LARGEST_INTEGER, require_exact_objects
from sketchlearn.sources.optional import import_optional

DIGITS = re.compile(r"\s*[+-]?\d+\s*")
# An integer of 16 digits or more in a line of JSON.
LARGE = re.compile(r"(?<![\d.eE+-])-?\d{16,}(?![\d.eE])")


class InDoubtError(Exception):
    """Columns of float64 whose values are so large that they may have been such integers."""

    def __init__(self, columns: list[str]) -> None:
        super().__init__(columns)
        self.columns = columns


def require_certain(batch: Any, settled: Collection[str]) -> None:
    """Raise an InDoubtError for large numbers in columns of which nothing is settled yet."""
    pa = import_optional("pyarrow")
    in_doubt = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        flat = column
        while is_list(flat.type):
            flat = flat.flatten()
        if field.name in settled or not pa.types.is_float64(flat.type):
            continue
        values = np.abs(flat.to_numpy(zero_copy_only=False))
        if (values[np.isfinite(values)] >= LARGEST_INTEGER).any():
            in_doubt.append(field.name)
    if in_doubt:
        raise InDoubtError(in_doubt)


def parse_numbers(
    batch: Any, columns: Collection[str], nulls: list[str], name: str, first_row: int
) -> Any:
    """Turn columns of text into numbers, as CSV has them.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        Rows, some of whose columns are text.
    columns : collection of str
        Those to turn into float64.
    nulls : list of str
        Texts that stand for no value.
    name : str
        What messages call the file.
    first_row : int
        Which of the file's rows the first of the batch is.

    Raises
    ------
    SourceError
        If an integer is too large; it names the row and the column.
    """
    pa = import_optional("pyarrow")
    import pyarrow.compute as pc

    arrays = list(batch.columns)
    for i, label in enumerate(batch.schema.names):
        if label not in columns:
            continue
        texts = pc.utf8_trim_whitespace(arrays[i])
        texts = pc.if_else(pc.is_in(texts, pa.array(nulls)), pa.scalar(None, texts.type), texts)
        arrays[i] = texts.cast(pa.float64())
        values = np.abs(arrays[i].to_numpy(zero_copy_only=False))
        for row in np.flatnonzero(np.nan_to_num(values) >= LARGEST_INTEGER):
            if DIGITS.fullmatch(text := texts[int(row)].as_py()):
                _require_exact(text, f"column {label!r} of {name}, in row {first_row + row},")
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)


def require_exact_lines(lines: Iterable[bytes], columns: Collection[str], name: str) -> None:
    """Refuse lines of JSON with large integers in some columns; a SourceError names the line."""
    patterns = {
        column: re.compile(re.escape(json.dumps(column)) + r'\s*:\s*(\[[^"{}]*\]|[^",{}[]*)')
        for column in columns
    }
    for i, line in enumerate(lines):
        text = line.decode("utf-8", errors="replace")
        for column, pattern in patterns.items():
            for number in (n for found in pattern.finditer(text) for n in LARGE.findall(found[1])):
                _require_exact(number, f"column {column!r} of {name}, in line {i + 1},")


def _require_exact(text: str, place: str) -> None:
    try:
        require_exact_objects(np.array([int(text)], dtype=object), lambda _: place)
    except ValueError as error:
        raise SourceError(str(error)) from None
