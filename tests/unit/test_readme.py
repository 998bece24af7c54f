"""The ten lines of the README do what they say, on frames of the twin."""

import re
from pathlib import Path

import numpy as np
import pytest

from operando.twin.film import FilmCell, film_frames, simulate

README = Path(__file__).resolve().parents[2] / "README.md"


def test_ten_lines_on_arrays(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    cell = FilmCell.demo(maps=1, rows=8, columns=2)
    simulate(FilmCell.demo(maps=1, rows=1, columns=1), tmp_path / "twin")
    images = np.concatenate([block.load() for block in film_frames(cell).blocks()])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "detector.poni").write_text((tmp_path / "twin" / "calib" / "detector.poni").read_text())
    found: dict = {"images": images}
    exec(code, found)
    inside = np.isfinite(found["cell"].c.values)
    assert inside.sum() >= 4
    assert found["cell"].c.values[inside] == pytest.approx(14.0, abs=0.03)
    assert "14." in capsys.readouterr().out
