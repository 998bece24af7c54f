"""What the examples share: figures in the look of the report, a table of found, true and printed, one page.

`Page(out, title)` collects figures and rows; `write()` makes OUT/report.html, OUT/figures (SVG, PNG, csv) and
OUT/table.csv, and prints the table. Figures of a run are taken over with `page.run(results)`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from operando.show import report
from operando.show.style import RC, Exhibit
from operando.show.table import Table
from operando.show.text import number, with_error

COLUMNS = ["quantity", "found", "true", "off by / σ", "paper"]
TEMPLATE = """{% from "parts.html" import figure, words %}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{{ title }}</title>
<style>:root{ {{ light }} } @media (prefers-color-scheme: dark){ @media screen { :root{ {{ dark }} } } }
{{ css|safe }}</style></head><body><header><p class="kicker">operando, example</p><h1>{{ title }}</h1></header><main>
<section id="table"><h2>Found, true, printed</h2>{{ words(table) }}</section>
<section id="figures"><h2>Figures</h2>{% for one in figures %}{{ figure(one) }}{% endfor %}</section>
</main><script>{{ script|safe }}</script></body></html>"""


@dataclass
class Page:
    """Figures and rows of one example."""

    out: Path
    title: str
    figures: list[Exhibit] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def row(
        self, quantity: str, found, error=np.nan, *, unit: str = "", truth=np.nan, paper: str = ""
    ) -> None:
        """One line of the table; the distance from the truth is told in errors where there is an error."""
        found, error, truth = (float(v) for v in (found, error, truth))
        text = with_error(found, error, unit) if error > 0 else f"{number(found)} {unit}".strip()
        off = f"{(found - truth) / error:+.1f}" if error > 0 and np.isfinite(truth) else ""
        known = with_error(truth, error).split(" ±")[0] if error > 0 else number(truth)
        self.rows.append([quantity, text, known if np.isfinite(truth) else "", off, paper])

    def run(self, results) -> None:
        """Take over the figures that a run's report has."""
        from operando.show.gallery import draw_all

        self.figures += draw_all(results).everything()

    def write(self) -> None:
        """Figures, table and page to disk; the table to the terminal."""
        folder = self.out / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        for one in self.figures:
            (folder / f"{one.name}.svg").write_text(report.plain_svg(one), encoding="utf-8")
            one.figure.savefig(folder / f"{one.name}.png", dpi=200, facecolor="white")
            one.table.to_csv(folder / f"{one.name}.csv", index=False, float_format="%.7g")
        table = pd.DataFrame(self.rows, columns=COLUMNS)
        table.to_csv(self.out / "table.csv", index=False)
        note = "True: of the twin. Paper: as printed there, of another cell; blank where nothing compares."
        words = Table("found", "What was found", COLUMNS, self.rows, note)
        page = report.environment().from_string(TEMPLATE)
        text = page.render(title=self.title, table=words, figures=self.figures, **report.framed())
        (self.out / "report.html").write_text(text, encoding="utf-8")
        print(self.title)
        widths = [max(len(row[k]) for row in [COLUMNS, *self.rows]) for k in range(len(COLUMNS))]
        for row in [COLUMNS, *self.rows]:
            print("  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip())
        print(self.out / "report.html")


def drawn(name: str, title: str, caption: str, figure, table: pd.DataFrame) -> Exhibit:
    """An Exhibit whose description is its title."""
    return Exhibit(name, title, caption, title, figure, table)


def styled():
    """Our matplotlib settings, as a context."""
    import matplotlib as mpl

    return mpl.rc_context(RC)


def colour_bar(figure, image, axes, label: str, width: float = 0.1, gap: float = 0.08):
    """A thin colour bar to the right of `axes`, as high as they are."""
    from operando.show.style import panel

    w, h = figure.get_size_inches()
    box = axes.get_position()
    bar = panel(figure, box.x1 * w + gap, box.y0 * h, width, box.height * h)
    return figure.colorbar(image, cax=bar, label=label)
