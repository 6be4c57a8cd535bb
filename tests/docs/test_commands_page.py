"""The page of all commands has whatever the commands say of themselves."""

import re

import pytest
from typer.main import get_command

from docs.commands import PAGE, list_commands
from sketchlearn.cli.app import app

pytestmark = pytest.mark.slow

TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n\n```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))


def find_commands(command, name):
    yield name, command
    for inner, one in getattr(command, "commands", {}).items():
        yield from find_commands(one, f"{name} {inner}")


COMMANDS = dict(find_commands(get_command(app), "sketchlearn"))


def in_one_line(text):
    return " ".join(text.replace("\b", "").split())


def test_every_command_is_on_the_page():
    assert [*SECTIONS] == [*COMMANDS]
    assert [name for name, _ in list_commands(get_command(app), "sketchlearn")] == [*COMMANDS]


@pytest.mark.parametrize("name", [*COMMANDS])
def test_its_section_has_its_words_options_and_examples(name):
    command, section = COMMANDS[name], in_one_line(SECTIONS[name])
    for line in (command.help or "").splitlines():
        assert in_one_line(line) in section, f"run python -m docs.commands: {line!r} is missing"
    for parameter in command.params:
        said = [*parameter.opts] if parameter.param_type_name == "option" else []
        for words in [*said, getattr(parameter, "help", None) or ""]:
            assert in_one_line(words) in section, f"run python -m docs.commands: {words!r}"
    is_group = bool(getattr(command, "commands", {}))
    assert is_group or f"{name} " in in_one_line(command.help), "a command shows an example"
