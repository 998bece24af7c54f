"""The report says the numbers of the Datasets, stands alone, and survives whatever is missing."""

from __future__ import annotations

import base64
import gzip
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import synthetic_results
import xarray as xr

from operando.core.flags import Flag
from operando.show import write_figures, write_report
from operando.show.gallery import draw_all
from operando.show.report import render


@pytest.fixture(scope="module")
def results():
    return synthetic_results.build()


@pytest.fixture(scope="module")
def html(results):
    return render(results)


def small(maps=2, rows=14, columns=6):
    """Fewer maps and two rings: quick to draw."""
    few = synthetic_results.build(maps, rows, columns)
    few.groups = {name: ds for name, ds in few.groups.items() if "LCO110" not in name and "Au111" not in name}
    return few


class Outline(HTMLParser):
    """Tags in order with their attributes, and a check that what opens closes."""

    VOID = frozenset({"meta", "path", "image", "use", "br", "rect", "circle", "link", "img"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.wrong = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.wrong.append((tag, self.open[-3:]))
        else:
            self.open.pop()

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_one_file_without_network(html):
    body = re.sub(r'xmlns(:xlink)?="http://www\.w3\.org/[^"]+"', "", html).replace(
        '"http://www.w3.org/2000/svg"', ""
    )
    assert not re.findall(r"https?://[^\s\"'<)]+", body)
    outline = Outline(html)
    for tag in ("link", "iframe", "object", "embed"):
        assert not outline.of(tag)
    assert all("src" not in attrs for attrs in outline.of("script"))
    for attrs in outline.of("a"):
        assert attrs["href"].startswith(("#", "data:"))
    for attrs in outline.of("image"):
        assert attrs.get("xlink:href", attrs.get("href")).startswith("data:image/png;base64,")


def test_html_is_well_formed_and_accessible(html):
    outline = Outline(html)
    assert not outline.wrong
    assert not outline.open
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)", html)) | set(
        re.findall(r'(?:xlink:href|href|aria-labelledby)="#?([\w-]+)"', html)
    )
    assert used <= set(ids)
    assert len(outline.of("table")) == len(outline.of("caption"))
    svgs = outline.of("svg")
    assert len(svgs) == len(outline.of("figure")) == len(outline.of("figcaption"))
    assert all(attrs["role"] == "img" and attrs["aria-labelledby"] for attrs in svgs)
    assert [tag for tag, _ in outline.tags if tag in ("h1", "h2", "h3")].count("h1") == 1


def test_sections_come_in_the_order_of_questions(html):
    places = [html.index(f'id="{name}"') for name in ("measured", "changed", "believe", "made")]
    assert places == sorted(places)


def test_settings_versions_and_digests_are_there(results, html):
    for text in (
        "operando demo",
        "fused engine, 2 threads",
        "pyFAI 2025.3.0",
        "sha256:5f1c6a0de8d14a9b",
        "/entry/xrd/LCO003",
    ):
        assert text in html
    for note in results.notes:
        assert note in html


def test_steps_of_many_maps_are_told_once_and_every_digest_is_kept():
    many = small()
    many.processes = [
        synthetic_results.Process("map", "1", 0.5, {}, {"reduced": f"sha256:{i:04d}"}) for i in range(7)
    ]
    text = render(many)
    assert "<td>7</td><td>3.5 s</td>" in text
    assert all(f"sha256:{i:04d}" in text for i in range(7))


def test_text_from_outside_is_escaped(results):
    nasty = small()
    nasty.title = "<script>alert(1)</script>"
    nasty.notes = ["a < b & c"]
    text = render(nasty)
    assert "<script>alert" not in text
    assert "a &lt; b &amp; c" in text


def test_flag_table_counts_the_flags(results, html):
    for name in ("LCO003", "Ti100"):
        flags = results.groups[f"xrd/{name}"]["flag"]
        few = int(((flags.isel(family=0) & Flag.TOO_FEW_COUNTS) != 0).sum())
        assert few > 0
        assert f"<td>{few:,}</td>".replace(",", "\u202f") in html


def test_csv_holds_the_values_that_are_drawn(results, html):
    link = re.search(r'href="(data:[^"]+)" download="LCO003-maps\.([a-z.]+)"', html)
    data = base64.b64decode(link[1].split(",", 1)[1])
    table = pd.read_csv(io.BytesIO(gzip.decompress(data) if link[2] == "csv.gz" else data))
    ring = results.groups["xrd/LCO003"].sel(family="par")
    row = table[(table["quantity"] == "LCO003 par")].dropna(subset="value").iloc[37]
    there = ring.sel(time=row["time (s)"], z=row["z (um)"], x=row["x (um)"])
    assert row["value"] == pytest.approx(float(there["c"]), rel=1e-6)
    assert row["error"] == pytest.approx(float(there["c_err"]), rel=1e-5)


def test_size(results, tmp_path):
    path = write_report(results, tmp_path / "report.html")
    assert path.stat().st_size < 5_000_000
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_report_is_the_same_each_time():
    few = small()
    assert render(few) == render(few)


def test_a_hundred_maps_stay_small():
    text = render(synthetic_results.build(maps=100, rows=24, columns=12))
    assert len(text) < 5_000_000


def test_figures_as_files(tmp_path):
    results = small()
    names = {path.name for path in write_figures(results, tmp_path / "figures")}
    assert {"cell.svg", "maps.png", "LCO003-depth.csv"} <= names
    svg = (tmp_path / "figures" / "maps.svg").read_text()
    assert "var(--" not in svg


GROUPS = ["xrd", "echem", "clock", "xrd/pattern", "xrd/reflections", "xrd/LCO003", "xrd/LCO003/azimuth"]


@pytest.mark.parametrize("absent", GROUPS)
def test_a_group_is_missing(absent):
    few = small()
    del few.groups[absent]
    assert not Outline(render(few)).wrong


def test_nothing_but_a_title():
    empty = synthetic_results.Results("nothing", {"title": "nothing"}, {})
    text = render(empty)
    for sentence in ("No X-ray maps are in these results.", "No cycler record", "describes no cell"):
        assert sentence in text


def test_maps_without_rings():
    bare = small()
    bare.groups = {"xrd": bare.groups["xrd"]}
    text = render(bare)
    assert "No peak was fitted." in text
    assert 'id="fig-maps"' in text


def test_one_map():
    text = render(small(maps=1, rows=24))
    assert "1 map of 24 × 6 points" in text
    assert 'id="fig-overview"' not in text
    assert " is 14.00" in text


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_a_line_or_a_point(shape):
    assert not Outline(render(small(rows=shape[0], columns=shape[1]))).wrong


def test_all_nan():
    results = small()
    results.groups = {name: _emptied(ds) for name, ds in results.groups.items()}
    gallery = draw_all(results)
    text = render(results)
    assert "LCO003: no valid fit in any map" in text
    assert "no valid point in any map" in text
    assert "The cycler record covers none of the maps." in text
    assert not gallery.lattice
    assert not re.search(r">\s*-?nan", text)


def _emptied(dataset: xr.Dataset) -> xr.Dataset:
    empty = dataset.copy(deep=True)
    for name, variable in empty.data_vars.items():
        if variable.dtype.kind == "f" and name not in ("row_time", "time"):
            variable.values[...] = np.nan
        if str(name).endswith("flag"):
            variable.values[...] = int(Flag.NO_DATA)
    return empty
