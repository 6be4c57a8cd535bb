"""The command synthesize: rows that have a sketch, for what needs rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sketchlearn import synthesize as synthesized
from sketchlearn.cli.files import load_operator, require_writable
from sketchlearn.cli.groups import Keys, load_slice
from sketchlearn.cli.options import Force, OperatorFile, Output, Seed, SketchFile
from sketchlearn.cli.reporting import decode_status, note
from sketchlearn.cli.signals import tell_if_stopped
from sketchlearn.cli.usage import UsageError, parse_count
from sketchlearn.files.atomic import replace_when_done
from sketchlearn.sources.optional import import_optional

ENDINGS = (".parquet", ".pq", ".csv")
# What the schema of a Parquet file of such rows says.
MARK = {b"sketchlearn": b"synthetic rows"}


def synthesize(
    sketch: SketchFile,
    output: Output,
    n_rows: Annotated[
        int,
        typer.Option("--rows", "-n", parser=parse_count, metavar="NUMBER", help="How many."),
    ] = 1000,
    operator: OperatorFile = None,
    keys: Keys = None,
    seed: Seed = 0,
    is_forced: Force = False,
) -> None:
    """Write rows whose sketch is about the given one, to a Parquet or CSV file.

    They stand in for the data where something needs rows, and none is a row of the data. Detail
    that is finer than the sketch's scale they do not have. Of a private sketch they cost no more
    privacy.

    \b
      sketchlearn synthesize week.sketch -n 5000 -o week.parquet
      sketchlearn synthesize cube.parquet --key country=FR -o france.csv
      sketchlearn synthesize people.private -o people.csv
    """
    ending = output.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(
            f"rows are written to files that end in {', '.join(ENDINGS)}, got {output.name}"
        )
    inputs = [sketch, operator] if operator else [sketch]
    require_writable(output, inputs, _is_synthetic, "a file of synthetic rows", is_forced)
    source = load_slice(sketch, keys, load_operator(operator))
    with tell_if_stopped("nothing was written"), decode_status():
        rows = synthesized(source, n_rows, random_state=seed)
    with replace_when_done(output) as temporary:
        _write(temporary, ending, dict(zip(source.column_names, rows.T, strict=True)))
    note(f"{output}: {n_rows:,} synthetic rows")


def _write(path: Path, ending: str, columns: dict[str, Any]) -> None:
    pa = import_optional("pyarrow", "pyarrow.csv", "pyarrow.parquet")
    table = pa.table(columns).replace_schema_metadata(MARK)
    if ending == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path)


def _is_synthetic(path: Path) -> bool:
    """Whether a file says that its rows are of this command; text files cannot say it."""
    try:
        import pyarrow.parquet

        found = pyarrow.parquet.read_schema(path).metadata or {}
    except (OSError, ValueError, ImportError):
        return False
    return MARK.items() <= found.items()
