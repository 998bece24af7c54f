"""A quick look at electrochemistry in the terminal: facts, aligned tables, what to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from .terminal import TOPIC

if TYPE_CHECKING:
    from operando.flow.results import Results
    from operando.show.table import Table

MOST = 16  # rows of a table; the page and --json have all
#: columns that the page has room for and a terminal has not
LEFT_OUT = {"cycle", "V at start", "V mean", "energy efficiency", "V mean, charge", "V mean, discharge", "file",
            "frequencies / Hz"}  # fmt: skip


def print_look(results: Results) -> None:
    """Print what `flow.echem_look.look` found."""
    from operando.show.echem_tables import all_tables
    from operando.show.echem_words import facts

    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(results.title, style="bold"))
    width = max([TOPIC, *(len(label) + 2 for label, _ in facts(results))])
    for label, text in facts(results):
        console.print(Text.assemble("  ", (f"{label:<{width}}", "bold cyan"), text))
    for table in all_tables(results.groups):
        _print_table(console, table)
    for sentence in results.experiment["echem"]["absent"]:
        console.print(Text(f"  {sentence}", style="dim"))
    if results.notes:
        many = f"{len(results.notes)} thing{'s' if len(results.notes) > 1 else ''} to look at:"
        console.print(Text(f"  {many}", style="bold yellow"))
        for note in results.notes:
            console.print(Text(f"    {note}"))


def _print_table(console: Console, table: Table) -> None:
    keep = [
        i
        for i, column in enumerate(table.columns)
        if column not in LEFT_OUT or (table.name, i) == ("cycles", 0)
    ]
    rows = [table.columns, *table.rows]
    first, last = rows[: MOST - 3], rows[-3:]
    shown = rows if len(rows) <= MOST + 1 else [*first, *last]
    width = [max(len(row[i]) for row in shown) for i in keep]
    console.print(Text(f"\n  {table.title}", style="bold cyan"))
    for number, row in enumerate(shown):
        if len(rows) > MOST + 1 and number == len(first):
            console.print(
                Text(f"  ... {len(rows) - len(shown)} more rows (in --page and --json)", style="dim")
            )
        cells = [f"{row[i]:>{w}}" for i, w in zip(keep, width, strict=True)]
        console.print(Text("  " + "  ".join(cells), style="dim" if number == 0 else ""))
    if table.note:
        console.print(Text(f"  {table.note}", style="dim"))
