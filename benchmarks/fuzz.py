"""Spoiled experiment files, raw files, records and results through the command line: what does a person read?

    python benchmarks/fuzz.py [--cases 10000] [--first 0] [--seed 1] [--only WORD] [--keep FOLDER] [--one NUMBER]

Every case is drawn from (seed, number) alone: `--one NUMBER` plays one again and prints what was told. A case is
wrong where a traceback or an unnamed error is told, a process dies, 10 s of CPU or 3 GB are not enough, or anything
outside the run folder is changed. Linux only (forks; looks at /proc).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

# one core, before any library counts them: pools of threads do not live on in a forked process
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.environ |= dict.fromkeys(
    ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_MAX_THREADS", "OPERANDO_THREADS"), "1"
)
os.environ["NUMBA_THREADING_LAYER"] = "workqueue"  # that of GNU does not bear forks
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "fuzz"))


def main() -> None:
    from fuzzing import case, warm_up
    from originals import originals

    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="originals whose name holds one of these (a,b)")
    parser.add_argument("--one", type=int)
    parser.add_argument("--quick", action="store_true", help="only what is read in a moment")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    place = given.folder or Path(tempfile.mkdtemp(prefix="operando-fuzz-"))
    (place / "whole").mkdir(parents=True)
    words = given.only.lower().split(",")
    made = originals(place / "whole", given.quick)
    found = [one for one in made if any(word in one.name.lower() for word in words)]
    warm_up(found, place)
    numbers = range(given.first, given.first + given.cases) if given.one is None else [given.one]
    told, wrong, slowest, largest, cpu = Counter(), [], (0.0, 0), (0, 0), 0.0
    begun = time.monotonic()
    for count, number in enumerate(numbers, 1):
        one = case(number, found, place, seed=given.seed)
        ended = one.outcome
        told[one.original, (ended.wrong and "wrong") or ended.code] += 1
        slowest, largest = max(slowest, (ended.cpu_s, number)), max(largest, (ended.memory, number))
        cpu += ended.cpu_s
        if ended.wrong:
            wrong.append(one)
            print(
                f"{number}: {ended.wrong} | {one.original} | {one.file} | {one.how:.200} | {' '.join(one.command)}"
            )
            print("    " + "\n    ".join(ended.told.strip().splitlines()[-6:]), flush=True)
        if given.one is not None:
            print(one.original, one.file, one.how, one.command, ended.told, ended, sep="\n")
        if count % 500 == 0:
            print(
                f"{count} cases, {len(wrong)} wrong, {cpu:.0f} s CPU, {time.monotonic() - begun:.0f} s",
                flush=True,
            )
    for (name, code), number in sorted(told.items(), key=str):
        print(f"{name:<28} {code!s:<6} {number}")
    print(f"{len(list(numbers))} cases, {len(wrong)} wrong; {cpu:.0f} s CPU")
    print(
        f"slowest {slowest[0]:.1f} s (case {slowest[1]}), largest {largest[0] / 1e9:.2f} GB (case {largest[1]})"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
