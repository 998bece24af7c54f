"""The report: one HTML file that answers a scientist's questions in their order. No network, no framework."""

from __future__ import annotations

import base64
import gzip
import re
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import belief, echem_tables, echem_words, film_words, sentences
from .figures import space
from .gallery import Gallery, draw_all
from .settings import as_toml, contents
from .style import DARK, VARIABLES, Exhibit
from .text import duration, grouped, number, reason, tied, with_error

if TYPE_CHECKING:
    from operando.flow.results import Results

#: a number inside a sentence, or of a file (scan_0001); those that are part of a name (LCO003, 3D) are none
NUMBER = re.compile(r"(?<![A-Za-z0-9.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![A-Za-z0-9])")
CSV_PLAIN = 60_000  # bytes: a larger table is compressed


def write_report(results: Results, path: str | Path) -> Path:
    """Draw every figure and write the report of `results` to `path`; returns the path."""
    path = Path(path)
    text = render(results)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path


def write_figures(results: Results, folder: str | Path) -> list[Path]:
    """Write every figure as SVG, PNG (200 dpi, white ground) and csv into `folder`; returns the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for exhibit in draw_all(results).everything():
        stem = folder / exhibit.name
        stem.with_suffix(".svg").write_text(plain_svg(exhibit), encoding="utf-8")
        exhibit.figure.savefig(stem.with_suffix(".png"), dpi=200, facecolor="white")
        exhibit.table.to_csv(stem.with_suffix(".csv"), index=False, float_format="%.7g")
        written += [stem.with_suffix(kind) for kind in (".svg", ".png", ".csv")]
    return written


def plain_svg(exhibit: Exhibit) -> str:
    """The figure as a file of its own: light colours, white ground."""
    text = exhibit.svg()
    for colour, variable in VARIABLES.items():
        text = text.replace(f"var({variable},{colour})", colour)
    text = text.replace("var(--sans,sans-serif)", "Helvetica, Arial, sans-serif")
    return text.replace("<svg ", '<svg style="background:white" ', 1)


def render(results: Results) -> str:
    """The report as HTML text."""
    gallery = draw_all(results)
    extra = {"space_script": space.script()} if any(c.spaces for c in gallery.chapters) else {}
    return environment().get_template("report.html").render(**page(results, gallery), **(framed() | extra))


def environment():
    """Templates of the folder `page`, with the functions that they use."""
    import jinja2

    files = resources.files(__package__) / "page"
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (files / name).read_text(encoding="utf-8")),
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    made.globals |= {
        "shown": shown,
        "number": number,
        "grouped": grouped,
        "duration": duration,
        "with_error": with_error,
        "deviation": belief.deviation,
    }
    made.filters |= {"reason": reason, "tied": tied}
    return made


def framed() -> dict[str, str]:
    """Colours, style and script that every page holds."""
    files = resources.files(__package__) / "page"
    return {
        "light": variables(VARIABLES), "dark": dark_variables(),
        "css": (files / "report.css").read_text(encoding="utf-8"),
        "script": (files / "report.js").read_text(encoding="utf-8"), "space_script": "",
    }  # fmt: skip


def variables(names: dict[str, str]) -> str:
    """Colours as variables of CSS."""
    return "".join(f"{variable}:{colour};" for colour, variable in names.items())


def dark_variables() -> str:
    """The same for dark pages."""
    return "".join(f"{VARIABLES[light]}:{dark};" for light, dark in DARK.items())


def page(results: Results, gallery: Gallery) -> dict[str, Any]:
    """Everything that the template prints."""
    groups, rings = results.groups, gallery.rings
    tables = echem_tables.all_tables(groups)
    return {
        "title": results.title, "notes": results.notes, "gallery": gallery, "started": started(groups),
        "measured": sentences.what_was_measured(groups, gallery.chapters),
        "headlines": sentences.headlines(rings), "film": film_words.film_findings(groups),
        "changes": {name: sentences.lattice_changes(name, ring) for name, ring in rings.items()},
        "amounts": [sentences.intensity_change(name, ring) for name, ring in rings.items() if "intensity" in ring],
        "fits": belief.fits_believed(gallery.counts, rings) if len(gallery.counts) else [],
        "positions": belief.positions_believed(gallery.positions) if rings else "",
        "standard": belief.standard_believed(groups),
        "electro_tables": tables, "parts": parts(gallery, bool(tables)),
        "electro_absent": echem_words.absent(groups),
        "clock": belief.clock_believed(results.experiment, groups),
        "settings": as_toml(results.experiment), "contents": contents(groups), "processes": steps(results.processes),
        "machine": results.machine, "command": results.command,
        "inputs": inputs(results.processes),
    }  # fmt: skip


def parts(gallery: Gallery, tables: bool) -> list[tuple[str, str]]:
    """Anchor and title of each heading below "What changed"."""
    electro = [("electrochemistry", "Electrochemistry")] if gallery.electro or tables else []
    patterns = [("diffraction", "Diffraction")] if gallery.patterns else []
    rings = [(f"ring-{name}", name) for name in gallery.lattice]
    return [*rings, *electro, *patterns, *((one.name, one.title) for one in gallery.chapters)]


def steps(processes) -> list[dict[str, Any]]:
    """Processing steps with repeats of one name and version (a map each) told together."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for p in processes:
        step = found.setdefault(
            (p.name, p.version), {"name": p.name, "version": p.version, "times": 0, "seconds": 0.0, "how": []}
        )
        step["times"] += 1
        step["seconds"] += p.seconds
        if p.detail and p.detail not in step["how"]:
            step["how"].append(p.detail)
    return [
        step | {"name": re.sub("[_-]", " ", step["name"]), "how": alike(step["how"])}
        for step in found.values()
    ]


def alike(sentences: list[str]) -> list[str]:
    """Sentences that differ in numbers alone as one, with the least and the largest of each number."""
    kinds: dict[str, list[str]] = {}
    for sentence in sentences:
        kinds.setdefault(NUMBER.sub("#", sentence), []).append(sentence)
    return [_ranges(same) for same in kinds.values()]


def _ranges(same: list[str]) -> str:
    columns = iter(zip(*(NUMBER.findall(one) for one in same), strict=True))

    def told(_: re.Match[str]) -> str:
        numbers = sorted(next(columns), key=float)
        return numbers[0] if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}"

    return NUMBER.sub(told, same[0])


def inputs(processes) -> list[tuple[str, str, str]]:
    """Step, input and digest, each once, in order."""
    return list(dict.fromkeys((p.name, name, value) for p in processes for name, value in p.inputs.items()))


def started(groups) -> str:
    """Date and time of the first map, as recorded."""
    xrd = groups.get("xrd")
    epoch = "" if xrd is None else xrd.attrs.get("epoch") or xrd["time"].attrs.get("epoch", "")
    try:
        when = datetime.fromisoformat(str(epoch))
    except ValueError:
        return ""
    return f"{when.day} {when:%B %Y, %H:%M} {when:%Z}".strip()


def shown(exhibit: Exhibit) -> dict[str, str]:
    """What the template needs of a figure: SVG inline, and its table as a link that holds the data."""
    from markupsafe import Markup

    svg = exhibit.svg().replace("<svg ", f'<svg role="img" aria-labelledby="{exhibit.name}-alt" ', 1)
    head, _, tail = svg.partition(">")
    from html import escape

    described = f'{head}><title id="{exhibit.name}-alt">{escape(exhibit.alt)}</title>{tail}'
    text = exhibit.table.to_csv(index=False, float_format="%.7g").encode()
    if len(text) <= CSV_PLAIN:
        kind, ending, data = "text/csv;charset=utf-8", "csv", text
    else:
        kind, ending, data = "application/gzip", "csv.gz", gzip.compress(text, mtime=0)
    link = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return {"svg": Markup(described), "csv": link, "file": f"{exhibit.name}.{ending}", "kind": ending,
            "rows": grouped(len(exhibit.table))}  # fmt: skip
