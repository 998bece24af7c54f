"""A sample of the study in `benchmarks/fuzz.py`: spoiled files of every kind, and never more than one clear error."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox looks at /proc")
def test_no_spoiled_file_gives_a_traceback_a_crash_or_a_stray_write(tmp_path):
    command = [
        sys.executable,
        str(FUZZ),
        "--cases",
        "100",
        "--first",
        "20000",
        "--quick",
        "--folder",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"100 cases, 0 wrong", done.stdout)
    assert "not even whole" not in done.stderr
