"""The page of all commands, made of what each says with --help.

Run from the root of a checkout::

    python -m docs.commands

writes docs/guide/commands.md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from sketchlearn.cli.app import app

PAGE = Path(__file__).parent / "guide" / "commands.md"
INTRODUCTION = """# All commands

What each command says with `--help`. [The command line](cli.md) shows them at work. This page is
made by `python -m docs.commands`.
"""
WIDTH = 96


def list_commands(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield each command's name and help, a group before what is in it."""
    context = typer.Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    yield name, command.get_help(context)
    for inner, one in getattr(command, "commands", {}).items():
        yield from list_commands(one, f"{name} {inner}")


def write_page() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for name, text in list_commands(get_command(app), "sketchlearn"):
        lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
        parts.append(f"\n## {name}\n\n```text\n{lines}\n```\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
    print(f"Page: {PAGE}")
