"""A quick look at electrochemistry as one page: the figures and tables that the files at hand give."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import echem_tables, echem_words
from .echem_figures import cycle_figures, differential_figures, impedance_figures
from .figures import echem
from .report import environment, framed
from .style import Exhibit
from .table import Table

if TYPE_CHECKING:
    from operando.flow.results import Results


@dataclass
class Section:
    """One heading of the page and what stands under it."""

    name: str
    title: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    exhibits: list[Exhibit] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    command: str = ""


def write_echem_page(results: Results, path: str | Path) -> Path:
    """Write the page of what `flow.echem_look.look` found; returns the path."""
    path = Path(path)
    text = environment().get_template("echem.html").render(
        title=results.title, notes=results.notes, sections=sections(results), machine=results.machine, **framed()
    )  # fmt: skip
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path


def sections(results: Results) -> list[Section]:
    """The sections of the page, in order; what the files do not give is left out or said."""
    groups, tables = results.groups, {table.name: table for table in echem_tables.all_tables(results.groups)}
    absent = results.experiment["echem"]["absent"]
    found = []
    if "echem" in groups:
        figure = echem.record(
            groups["echem/curve"], groups["echem"].sizes["record"], groups.get("echem/steps")
        )
        found.append(Section("record", "What was recorded", echem_words.facts(results), [figure]))
        found += [Section("steps", "Steps and cycles", exhibits=cycle_figures(groups),
                          tables=[tables[n] for n in ("steps", "cycles", "rates") if n in tables])]  # fmt: skip
        found += [Section("differential", "Differential capacity and voltage", exhibits=differential_figures(groups),
                          tables=[tables[n] for n in ("ordering",) if n in tables], absent=absent)]  # fmt: skip
    exhibits = impedance_figures(groups)
    if exhibits:
        some = [tables[n] for n in ("spectra", "resistances") if n in tables]
        found.append(Section("impedance", "Impedance", exhibits=exhibits, tables=some))
    return [s for s in [*found, _made(results)] if s.facts or s.exhibits or s.tables or s.absent]


def _made(results: Results) -> Section:
    settings = {
        k: v for k, v in results.experiment["echem"].items() if k not in ("files", "absent", "columns")
    }
    process = results.processes[0]
    facts = [("files", ", ".join(results.experiment["echem"]["files"]))]
    facts += [("settings", ", ".join(f"{k} = {v}" for k, v in settings.items()))] if settings else []
    facts += [(f"SHA-256 of {name}", value) for name, value in process.inputs.items()]
    machine = results.machine
    facts.append(
        ("versions", f"operando {machine.get('operando', '?')}, Python {machine.get('python', '?')}")
    )
    return Section("made", "How was it made", facts=facts, command=results.command)
