"""Tables of sketches on the command line: their files, and slices of them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from sketchlearn import SketchTable
from sketchlearn.cli.files import (
    is_parquet,
    load_sketch_like,
    name_errors,
    require_same_operator,
)
from sketchlearn.cli.options import QUOTED, quote_names, strip_quotes
from sketchlearn.cli.usage import parse_count
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sources.row_keys import KeyValue, spell_value
from sketchlearn.tables.metadata import HEADER
from sketchlearn.tables.missing import describe_values

# How --key and --with name groups whose key is missing or empty.
SPELLING = (
    "country=null is the group without a country (a missing key), country= that of the empty text, "
    "and a value in double quotes is text as it stands, in a shell country='\"null\"'."
)
By = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        help="Columns whose values make a key, separated by commas: a sketch for each key, in a "
        "Parquet file that any SQL adds up.",
        show_default=False,
    ),
]
MaxMemory = Annotated[
    int | None,
    typer.Option(
        parser=parse_count,
        metavar="BYTES",
        help="With --by, bytes that the sums of all groups may take, as 8e9; by default 2 GiB.",
        show_default=False,
    ),
]
MOST_BYTES = 2**31
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        help="Of a table that sketch --by wrote, the groups to take, e.g. country=FR or "
        "country=FR,day=3; and again for more values of a column. Without it all groups are added. "
        f"{SPELLING}",
        show_default=False,
    ),
]


def is_table(path: Path) -> bool:
    """Whether a file is a table of sketches."""
    if not is_parquet(path):
        return False
    from pyarrow import parquet

    return HEADER in (parquet.read_metadata(path).metadata or {})


def load_slice(
    path: Path, keys: list[str] | None, operator: FrequencyOperator | None
) -> SketchLike:
    """Read a sketch, or add up a table's groups with some keys.

    Raises
    ------
    ValueError
        If keys are asked of a sketch, a key is none of the table's, or no group has it.
    """
    if not is_parquet(path):
        if keys:
            raise ValueError(f"--key chooses groups of a table, and {path} is none")
        return load_sketch_like(path, operator)
    return _choose_groups(read_table(path, operator), keys or [], path, "--key").total()


def load_two_slices(
    path: Path, keys: list[str], others: list[str] | None, operator: FrequencyOperator | None
) -> tuple[SketchLike, SketchLike]:
    """Add up a table's groups with some keys, and those with others, or all others.

    Raises
    ------
    ValueError
        If the file is no table, a key is none of its, no group has it, or a group is in both.
    """
    if not is_parquet(path):
        raise ValueError(f"--key chooses groups of a table, and {path} is none")
    table = read_table(path, operator)
    first = _choose_groups(table, keys, path, "--key")
    chosen = first.total()
    if others is None:
        rest = table.total() - chosen
        if not rest.n_samples:
            raise ValueError(f"{path} has no other groups than those with {' and '.join(keys)}")
        return chosen, rest
    second = _choose_groups(table, others, path, "--with")
    if both := [key for key in first if key in second]:
        group = ", ".join(map(spell_value, both[0]))
        raise ValueError(f"--key and --with must choose different groups, and {group} is in both")
    return chosen, second.total()


def combine_tables(
    paths: list[Path],
    operator: FrequencyOperator | None,
    combined: Callable[[SketchTable, SketchTable], SketchTable],
) -> SketchTable:
    """Combine tables key by key, one after the other; errors name the file.

    Raises
    ------
    ValueError
        If a file is no table, or one of other keys, features or moments, or of another operator.
    """
    if others := [path for path in paths if not is_parquet(path)]:
        table = next(path for path in paths if is_parquet(path))
        raise ValueError(
            f"{table} is a table of sketches, and {others[0]} is none: tables are combined with "
            "tables, key by key, and sketches with sketches"
        )
    total = read_table(paths[0], operator)
    for path in paths[1:]:
        other = read_table(path, operator)
        require_same_operator(other, path, total, paths[0])
        if {*other.by} == {*total.by}:
            other = other.rollup(total.by)
        try:
            total = combined(total, other)
        except ValueError as error:
            raise type(error)(f"{path}: {error}") from error
    return total


def read_table(path: Path, operator: FrequencyOperator | None) -> SketchTable:
    """Read a table of sketches, with an operator if it is without; errors name the file."""
    return name_errors(lambda place: SketchTable.from_parquet(place, operator=operator), path)


def _choose_groups(table: SketchTable, keys: list[str], path: Path, option: str) -> SketchTable:
    """Return the groups with some keys, of all rows at least one; a ValueError if none has them.

    Messages call the keys by their option.
    """
    chosen: dict[str, list[KeyValue]] = {}
    for name, value in (pair for key in keys for pair in _parse_key(table, key, option)):
        chosen.setdefault(name, []).append(value)
    groups = table.select(**chosen)
    if not groups.n_samples.sum():
        known = describe_values(table.by, table.groups.keys, chosen)
        raise ValueError(f"{path} has no group with {' and '.join(keys or ['any key'])}; {known}")
    return groups


def describe_table(path: Path, operator: FrequencyOperator | None) -> dict[str, object]:
    """Say what a table's file holds."""
    table = read_table(path, operator)
    sizes = table.n_samples
    return {
        "kind": "table",
        "bytes": path.stat().st_size,
        "groups": len(table),
        "by": list(table.by),
        "n_samples": int(sizes.sum()),
        "smallest_group": int(sizes.min()) if len(table) else None,
        "largest_group": int(sizes.max()) if len(table) else None,
        "n_features": table.operator.n_features,
        "n_frequencies": table.operator.n_frequencies,
        "moments": table.moment_kind,
        **({"feature_names": list(table.feature_names)} if table.feature_names else {}),
        "fingerprint": table.fingerprint,
    }


def _parse_key(table: SketchTable, text: str, option: str) -> list[tuple[str, KeyValue]]:
    """Read a choice of groups, as ``country=FR,day=3``.

    Commas are part of a value unless a column's name follows; in double quotes they always are.
    """
    spelled = {form: name for name in table.by for form in (name, *quote_names([name]))}
    forms = "|".join(map(re.escape, sorted(spelled, key=len, reverse=True)))
    part = re.compile(f"({forms})=(?:({QUOTED})|(.*?))(?:,(?=(?:{forms})=)|$)", re.DOTALL)
    pairs: list[tuple[str, KeyValue]] = []
    at = 0
    while at < len(text) or not pairs:
        if (found := part.match(text, at)) is None:
            raise ValueError(
                f"{option} expects one of {', '.join(table.by)}, '=' and a value, got {text!r}"
            )
        name, quoted, plain = spelled[found[1]], found[2], found[3]
        kind = table.groups.kinds[table.by.index(name)]
        if plain == "null":
            pairs.append((name, None))
        else:
            value = plain if quoted is None else strip_quotes(quoted)
            pairs.append((name, _read_value(kind, value, option)))
        at = found.end()
    return pairs


def _read_value(kind: str, text: str, option: str) -> KeyValue:
    """Read a value of a kind of keys."""
    try:
        if kind == "integers":
            return int(text)
        if kind == "dates":
            return datetime.date.fromisoformat(text)
        if kind == "truth values":
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        raise ValueError(f"{option} expects {kind} in that column, or null, got {text!r}") from None
    return text
