"""Seconds to read one BioLogic file, ours against galvani (where installed), in one process, best of several.

Run: python benchmarks/echem_readers.py [FILE.mpr]; without a file, the longest of ../shared/data where that exists.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

from operando.read.biologic import read_mpr
from operando.read.cycler import cycler

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "cycler" / "navani"


def best(*functions: Callable[[], object], repeats: int = 7) -> list[float]:
    """Shortest time of each, taken in turns."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, found in zip(functions, times, strict=True):
            begin = time.perf_counter()
            function()
            found.append(time.perf_counter() - begin)
    return [min(found) for found in times]


def main() -> None:
    known = sorted(DATA.glob("*.mpr"), key=lambda p: p.stat().st_size)
    if len(sys.argv) < 2 and not known:
        print("no .mpr file given, and no ../shared/data/cycler/navani: nothing measured")
        return
    path = sys.argv[1] if len(sys.argv) > 1 else str(known[-1])
    functions: list[Callable[[], object]] = [lambda: read_mpr(path), lambda: cycler(path, zone="UTC")]
    names = ["our columns", "our table"]
    try:
        peer = importlib.import_module("galvani.BioLogic")
        functions.append(lambda: peer.MPRfile(path))
        names.append("galvani's columns")
    except ImportError:
        print("galvani is not installed: no peer")
    rows = cycler(path, zone="UTC").sizes["record"]
    for name, seconds in zip(names, best(*functions), strict=True):
        print(f"{name}: {seconds * 1e3:.2f} ms for {rows} rows")


if __name__ == "__main__":
    main()
