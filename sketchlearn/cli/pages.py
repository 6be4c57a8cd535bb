"""The command report: a page that shows what files hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sketchlearn.cli.files import (
    is_of_kind,
    is_parquet,
    load_estimator,
    load_operator,
    load_sketch_like,
    name_errors,
    require_writable,
)
from sketchlearn.cli.options import Force, OperatorFile, Output
from sketchlearn.cli.reporting import decode_status, note, reword_options
from sketchlearn.cli.signals import tell_if_stopped
from sketchlearn.cli.usage import UsageError
from sketchlearn.estimators import CompressiveEstimator
from sketchlearn.estimators.persistence import MODEL_FILE
from sketchlearn.files.atomic import write_atomically
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.frequencies.format import OPERATOR_FILE
from sketchlearn.reports import make_page
from sketchlearn.sketching.checkpoint import CHECKPOINT_FILE
from sketchlearn.tables import SketchTable

PAGE_START = b"<!DOCTYPE html>"


def report(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files of sketches, private sketches and models, and tables of sketches.",
            show_default=False,
        ),
    ],
    output: Output,
    operator: OperatorFile = None,
    is_forced: Force = False,
) -> None:
    """Write a page of HTML that shows what files hold: tables, verdicts and pictures.

    One file that any browser opens, without a network; it can be printed. Sketches of one operator
    are compared, each with the one before it.

    \b
      sketchlearn report week.sketch week.model -o week.html
      sketchlearn report monday.sketch tuesday.sketch wednesday.sketch -o days.html
      sketchlearn report cities.parquet -o cities.html
    """
    inputs = [*files, operator] if operator else files
    require_writable(output, inputs, _is_page, "a page", is_forced)
    given = load_operator(operator)
    names = _name_files(files)
    contents = {name: _load(path, given) for name, path in zip(names, files, strict=True)}
    title = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    with tell_if_stopped("nothing was written"), decode_status():
        page = _reword_reports(make_page(contents, title), contents)
    write_atomically(output, page.encode())
    note(f"{output}: {len(page):,} bytes")


def _reword_reports(page: str, contents: dict[str, Any]) -> str:
    """Return a page whose models' reports speak of options and commands, as this command's do."""
    for model in contents.values():
        if isinstance(model, CompressiveEstimator):
            said = model.report()
            reasons = tuple(map(reword_options, said.reasons))
            shown = replace(said, reasons=reasons, remedy=reword_options(said.remedy))
            page = page.replace(said.to_html(), shown.to_html())
    return page


def _load(path: Path, operator: FrequencyOperator | None) -> Any:
    """Load what a page can show; a ValueError says what a file is instead."""
    if is_of_kind(path, MODEL_FILE.noun):
        return load_estimator(path)
    for kind in (OPERATOR_FILE, CHECKPOINT_FILE):
        if is_of_kind(path, kind.noun):
            raise ValueError(
                f"{path} is {kind.one}, and a page shows sketches, private sketches and models; "
                "the command info says what is in it"
            )
    if is_parquet(path) or path.is_dir():
        return name_errors(lambda _: SketchTable.from_parquet(path, operator=operator), path)
    return load_sketch_like(path, operator)


def _name_files(files: list[Path]) -> list[str]:
    """Return the names of files, with their folders where names alone are not distinct."""
    names = [path.name for path in files]
    paths = list(map(str, files))
    if len({*paths}) < len(paths):
        raise UsageError("a file was named twice: a page shows each once")
    return names if len({*names}) == len(names) else paths


def _is_page(path: Path) -> bool:
    """Whether a file starts as pages of this command do."""
    with path.open("rb") as file:
        start = file.read(len(PAGE_START) + 400)
    return start.startswith(PAGE_START) and b"Content-Security-Policy" in start
