"""Columns that are written in a path, as in ``day=3/part-0.parquet``."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from sketchlearn.sources.optional import import_optional

Key = int | float | str | None
# How Hive writes that there is no value.
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def parse_keys(path: str) -> dict[str, Key]:
    """Return the values of the columns that the folders of a file are called by."""
    folders = re.split(r"[/\\]", path)[:-1]
    pairs = (folder.split("=", 1) for folder in folders if "=" in folder)
    return {unquote(key): _parse_value(unquote(text)) for key, text in pairs if key}


def make_schema(keys: dict[str, Key]) -> Any:
    """Return the schema of such columns."""
    pa = import_optional("pyarrow")
    kinds = {int: pa.int64(), float: pa.float64()}
    return pa.schema([(key, kinds.get(type(keys[key]), pa.string())) for key in keys])


def append_keys(batch: Any, keys: dict[str, Key]) -> Any:
    """Append such columns to a record batch."""
    pa = import_optional("pyarrow")
    schema = make_schema(keys)
    columns = [pa.array([keys[field.name]] * len(batch), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(
        [*batch.columns, *columns],
        schema=pa.schema([*batch.schema, *schema], batch.schema.metadata),
    )


def _parse_value(text: str) -> Key:
    if text == NO_VALUE:
        return None
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d+\.\d+", text) else text
