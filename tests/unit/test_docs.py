"""The documentation: its code runs or names what exists, its commands do what it says, its pictures are small."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md"])
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
ALIASES = {"op": "operando", "tomo": "operando.tomography", "models": "operando.models", "echem": "operando.echem",
           "transport": "operando.transport", "pf": "operando.models.phase_field"}  # fmt: skip
COMPLETE = {"transport.md": 0, "compton.md": 0}  # page: which of its blocks stands alone


def blocks(page: Path) -> list[str]:
    return [text for text in PYTHON.findall(page.read_text()) if "--8<--" not in text]


def names(module: str) -> set[str]:
    """What a module offers, without loading it all."""
    home = importlib.import_module(module)
    return {*dir(home), *getattr(home, "__all__", ())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_in_code_exist(page):
    for text in blocks(page):
        tree = ast.parse(text)
        known = dict(ALIASES)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("operando"):
                for one in node.names:
                    if find_spec(node.module) and find_spec(f"{node.module}.{one.name}"):
                        known[one.asname or one.name] = f"{node.module}.{one.name}"
                    else:
                        assert one.name in names(node.module), one.name
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in known
            ):
                home = known[node.value.id]
                assert node.attr in names(home), f"{home}.{node.attr}"


@pytest.mark.parametrize("page", sorted(COMPLETE))
def test_complete_code_runs(page):
    pytest.importorskip("xraylib")
    exec(blocks(DOCS / page)[COMPLETE[page]], {})


def test_code_on_arrays_of_the_micro_xrd_page(tmp_path, monkeypatch):
    from operando.twin.film import FilmCell, film_frames, simulate

    simulate(FilmCell.demo(maps=1, rows=1, columns=1), tmp_path / "twin")
    images = np.concatenate(
        [b.load() for b in film_frames(FilmCell.demo(maps=1, rows=6, columns=2)).blocks()]
    )
    monkeypatch.chdir(tmp_path / "twin" / "calib")
    found: dict = {"images": images}
    exec(blocks(DOCS / "microxrd.md")[0], found)
    inside = np.isfinite(found["cell"].c.values)
    assert found["cell"].c.values[inside] == pytest.approx(14.0, abs=0.03)
    assert set(np.unique(found["two"]["peaks"])) <= {0, 1, 2}


def test_the_tutorial_does_what_it_says(tmp_path):
    """Every command of the page, in its order, in an empty folder; its file; its code."""
    page = (DOCS / "tutorial.md").read_text()
    (toml,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    commands = [line[2:] for block in re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
                for line in block.splitlines() if line.startswith("$ ")]  # fmt: skip
    assert commands[0].startswith("operando simulate")
    assert commands[1] == "cd beamtime"
    told = {}
    place = tmp_path
    for command in commands:
        words = shlex.split(command)
        if words[0] == "cd":
            place = place / words[1]
        elif words[0] == "rm":
            (place / words[1]).unlink()
            (place / words[1]).write_text(toml)
        else:
            told[command] = shell(words, place)
    assert "readable: yes" in told["operando inspect raw/scan_0001.h5 echem/cell.csv calib/detector.poni"]
    assert "3 maps, 144 frames of 600 x 800" in told["operando run experiment.toml"]
    assert (place / "run" / "report.html").stat().st_size > 1e5
    assert (place / "lco003.csv").read_text().startswith("time / s,family")
    assert "144 of 144" in told["operando watch experiment.toml --maps 3 --until-complete"]
    done = subprocess.run([sys.executable, "-c", blocks(DOCS / "tutorial.md")[0]], cwd=place, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "14.0" in done.stdout
    wrong = toml.replace("detector.poni", "detectr.poni")
    (place / "experiment.toml").write_text(wrong)
    text = shell(["operando", "run", "experiment.toml"], place, expect=2)
    assert "line 11: xrd.geometry: no such file: calib/detectr.poni" in text


def shell(words: list[str], place: Path, expect: int = 0) -> str:
    """Output and errors of an `operando` command, with wide lines."""
    done = subprocess.run([sys.executable, "-m", *words], cwd=place, capture_output=True, text=True, check=False,
                          timeout=300, env=os.environ | {"COLUMNS": "200"})  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_pictures_are_there_and_small():
    total = 0
    for page in PAGES:
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+\.png)\)", page.read_text()):
            picture = page.parent / target
            assert picture.exists(), f"{page.name}: {target}"
            assert picture.stat().st_size < 250_000, target
    for picture in (DOCS / "images").rglob("*.png"):
        total += picture.stat().st_size
    assert total < 2_000_000


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in DOCS.rglob("*.md"):
        assert f": {page.relative_to(DOCS)}" in navigation or f"- {page.relative_to(DOCS)}" in navigation, (
            page.name
        )
