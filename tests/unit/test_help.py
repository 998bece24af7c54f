"""`--help` of every command: a screen of 24 lines from 80 to 100 columns, with an example that is understood."""

import shlex

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from operando.cli import app, errors


def commands(command=None, path=()):
    command = command or get_command(app)
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


@pytest.mark.parametrize("columns", [80, 100, 300])
@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_help_fits_a_screen_and_has_an_example(path, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = CliRunner().invoke(app, [*path, "--help"]).output.rstrip().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= min(columns, 100)
    assert any(line.startswith("Example: operando") for line in lines)


@pytest.mark.parametrize("path", [path for path in commands() if path], ids=" ".join)
def test_every_option_is_told_and_the_example_names_no_other(path):
    command = get_command(app)
    for name in path:
        command = command.commands[name]
    text = CliRunner().invoke(app, [*path, "--help"]).output
    options = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    for param in command.params:
        shown = (
            max(param.opts, key=len)
            if param.param_type_name == "option"
            else (param.metavar or param.name).upper()
        )
        assert shown in text
    example = next(line for line in text.splitlines() if line.startswith("Example: "))
    words = shlex.split(example.removeprefix("Example: operando"))
    assert tuple(words[: len(path)]) == path
    if not hasattr(command, "commands"):
        assert {word for word in words if word.startswith("-")} <= options


@pytest.mark.parametrize("words", [
    ["mdoel"], ["run"], ["run", "x", "--wrokers", "2"], ["run", "x", "--workers", "y"], ["simulate", "x", "--maps=0"],
    ["model", "film", "--start-x", "2"],
])  # fmt: skip
def test_wrong_usage_is_told_in_two_lines(words, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["operando", *words])
    with pytest.raises(SystemExit) as done:
        errors.main()
    said = capsys.readouterr().err.splitlines()
    assert done.value.code == 2
    assert len(said) == 2
    assert said[0].startswith("operando: ")
    assert "--help" in said[1]
