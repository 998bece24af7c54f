"""Every example runs, at small size, and finds what is true within its errors."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("[a-z]*.py"))


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_example(script, tmp_path):
    pytest.importorskip("xraylib")
    pytest.importorskip("SALib")
    words = [sys.executable, str(script), str(tmp_path / "out"), "--small"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert list((tmp_path / "out").rglob("report.html"))
    assert list((tmp_path / "out").rglob("*.svg"))
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    off = table["off by / σ"].dropna().abs()
    assert len(table) >= 6
    assert len(off) >= 3
    assert off.max() < 4, table.loc[off.idxmax()].to_dict()
