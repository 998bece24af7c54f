"""`--help` that fits a screen of 24 lines: one line an option, two abreast where there are many."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from operando.core.errors import InputError
from operando.core.units import is_measured

LINES, NARROWEST, WIDEST = 24, 80, 100
#: what stands for a value, by the name of its type
VALUES = {"int": "N", "float": "X", "path": "PATH", "str": "WORD"}
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"

ORDER = (
    "demo",
    "inspect",
    "run",
    "watch",
    "show",
    "export",
    "reproduce",
    "echem",
    "calibrate",
    "recon",
    "segment",
    "model",
    "simulate",
)

Entry = tuple[str, str]


def width() -> int:
    """Columns to write help in."""
    return min(max(shutil.get_terminal_size((NARROWEST, LINES)).columns, NARROWEST), WIDEST)


class Command(TyperCommand):
    """A command whose help is a screen, and whose numbers are such as are measured."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises `InputError` for an option that is no number, or beyond all measurements."""
        for param in self.params:
            given = ctx.params.get(param.name)
            for value in given if isinstance(given, (list, tuple)) else [given]:
                if isinstance(value, (int, float)) and not is_measured(value):
                    raise InputError(
                        f"{param.opts[-1]} {value:g}: no number of a measurement is like that",
                        fix=f"See {ctx.command_path} --help.",
                    )
        return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Help of a command, on one screen."""
        params = [param for param in self.get_params(ctx) if not getattr(param, "hidden", False)]
        head = [f"Usage: {ctx.command_path} {_usage(params)}", *_about(self.help or "")]
        entries = [_entry(param, ctx) for param in params if "--help" not in param.opts]
        formatter.write("\n".join([*head, "", *_fitted(entries, LINES - len(head) - 2)]) + "\n")


class Group(TyperGroup):
    """Commands with one sentence each, in the order of a day at the beamline."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Commands in the order in which one needs them."""
        return sorted(super().list_commands(ctx), key=lambda name: ORDER.index(name) if name in ORDER else 99)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Help of all commands, on one screen."""
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _first(command.help or "")) for name, command in named if command is not None]
        head = [f"Usage: {ctx.command_path} COMMAND ...", *_about(self.help or "")]
        last = f"{ctx.command_path} COMMAND --help says more of one."
        formatter.write("\n".join([*head, "", *_column(rows, width()), "", last]) + "\n")


def _usage(params: Sequence[Any]) -> str:
    words = ["[OPTIONS]"]
    for param in params:
        if param.param_type_name == "argument":
            name = _name(param) + ("..." if param.nargs == -1 or param.multiple else "")
            words.append(name if param.required else f"[{name}]")
    return " ".join(words)


def _about(text: str) -> list[str]:
    """The paragraphs of a docstring, wrapped; the last is the example."""
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    return (
        [
            line
            for part in paragraphs
            for line in ["", *textwrap.wrap(part, width() - 2, break_on_hyphens=False)]
        ]
        if text
        else []
    )


def _first(text: str) -> str:
    return re.split(r"(?<=[.])\s", " ".join(text.split()), maxsplit=1)[0]


def _name(param: Any) -> str:
    return (getattr(param, "metavar", None) or param.name or "").upper().rstrip(".")


def _entry(param: Any, ctx: Any) -> Entry:
    told = param.help or ""
    if param.param_type_name == "argument":
        return _name(param), told
    names = sorted(param.opts, key=len)
    left = ", ".join(names) + (f"/{param.secondary_opts[0]}" if param.secondary_opts else "")
    if not (param.is_flag or param.count):
        left += " " + (param.metavar or _value(param, ctx))
    default = param.default
    if param.required:
        told = f"{told} Needed."
    elif isinstance(default, bool):
        told = f"{told} [{'yes' if default else 'no'}]" if param.secondary_opts else told
    elif default is not None and default != "" and not callable(default):
        told = f"{told} [{_plain(default)}]"
    return left, told.strip()


def _plain(default: Any) -> str:
    """A default as one would type it."""
    if isinstance(default, list | tuple):
        return " ".join(_plain(one) for one in default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def _value(param: Any, ctx: Any) -> str:
    """N, X, PATH or WORD, from how the library names the type (`<int range>`, `INTEGER`)."""
    named = (param.get_help_record(ctx) or ("", ""))[0].rpartition(" ")[0:]
    text = " ".join(named).lower()
    kinds = {"int": ("<int", "integer"), "float": ("<float", " float"), "path": ("path", "file", "directory")}
    return next(
        (VALUES[kind] for kind, words in kinds.items() if any(w in text for w in words)), VALUES["str"]
    )


def _fitted(entries: Sequence[Entry], room: int) -> list[str]:
    """One entry a line where that fits the screen; else short ones two abreast, below long ones."""
    single = _column(entries, width())
    if len(single) <= room:
        return single
    half = (width() - 2) // 2
    pad = max((len(left) for left, _ in entries if len(left) <= 16), default=16)
    short = [(left, told) for left, told in entries if max(pad, len(left)) + 4 + len(told) <= half]
    long = [entry for entry in entries if entry not in short]
    rows = (len(short) + 1) // 2
    cells = [_cell(left, told, pad) for left, told in short]
    beside = [*cells[rows:], ("", 0)]
    pairs = [
        f"{first}{' ' * (half - size)}{second}".rstrip()
        for (first, size), (second, _) in zip(cells[:rows], beside, strict=False)
    ]
    return _column(long, width(), pad) + pairs


def _cell(left: str, told: str, pad: int) -> tuple[str, int]:
    """Text of one entry and how wide it is on the screen."""
    text = f"  {left:<{pad}}  {told}"
    return text.replace(left, _bold(left), 1), len(text)


def _column(entries: Sequence[Entry], wide: int, pad: int = 0) -> list[str]:
    return list(_lines(entries, wide, pad or max((len(left) for left, _ in entries), default=0)))


def _lines(entries: Sequence[Entry], wide: int, pad: int) -> Iterator[str]:
    for left, told in entries:
        room = max(wide - 4 - max(pad, len(left)), 20)
        first, *more = textwrap.wrap(told, room, break_on_hyphens=False) or [""]
        yield _cell(left, first, pad)[0].rstrip()
        yield from (" " * (pad + 4) + line for line in more)


def _bold(text: str) -> str:
    return f"{BOLD}{text}{PLAIN}" if sys.stdout.isatty() else text
