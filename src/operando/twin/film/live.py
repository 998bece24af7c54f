"""The film twin as a beamline that measures now: raw files that grow at a given rate, the cycler's beside them.

    python -m operando.twin.film.live FOLDER --preset tiny --rate 30 --layout growing

Layouts, as detectors and their servers write: "growing" (a file a map, open for one writer and many readers: SWMR),
"files" (a file a map, to be read when it is closed), "appended" (one file, to which whole scans are added).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from operando.core.errors import InputError

from . import protocol
from .beside import write_beside
from .cell import FilmCell
from .frames import map_model, monitor
from .raw import _single, moment

LiveLayout = Literal["growing", "files", "appended"]
LAYOUTS = ("growing", "files", "appended")
#: flushed so often, s: what a reader sees comes in steps of this
FLUSH_S = 0.2


@dataclass
class Pace:
    """Lets frames pass at a rate, whatever each took: `wait()` before each."""

    rate_hz: float
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    due: float = field(default=0.0)

    def wait(self) -> None:
        now = self.now()
        self.due = max(self.due, now - 2.0) if self.due else now
        if self.due > now:
            self.sleep(self.due - now)
        self.due += 1.0 / self.rate_hz


def write_live(
    cell: FilmCell, folder: str | Path, *, layout: LiveLayout = "growing", rate_hz: float = 20.0, pause_s: float = 1.0,
    different: int | None = None, first_map: int = 0, done: Callable[[int], None] | None = None,
) -> None:  # fmt: skip
    """Write raw/ and the cycler's csv of an experiment as time passes; `prepare_live` writes what lies beside first.

    rate_hz    frames a second
    pause_s    between two maps
    different  so many frames of the first map are drawn and repeated: a detector costs its computer nothing, and
               drawing does. None draws them all, before the first is written
    first_map  begin with this map: the writer was stopped there
    done       called with the number of each frame, counted over all maps, when it is on disk

    Raises `InputError` for an unknown layout.
    """
    if layout not in LAYOUTS:
        raise InputError(
            f"unknown layout {layout!r}", where="write_live", fix=f"One of: {', '.join(LAYOUTS)}."
        )
    raw = Path(folder) / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    pace, cycler = Pace(rate_hz), _Cycler(cell, Path(folder))
    kept = None if different is None else list(stored_frames(cell, 0, different))
    for number in range(first_map, cell.maps):
        chunks = kept if kept is not None else list(stored_frames(cell, number, cell.points))
        tell = _telling(cell, number, done)
        if layout == "appended":
            pace.sleep(cell.points / rate_hz)
            _single(cell, number, raw, lambda _: None)
            tell(cell.points - 1)
        else:
            _write_file(
                cell,
                number,
                raw / f"scan_{number + 1:04d}.h5",
                chunks,
                pace,
                layout == "growing",
                tell,
                cycler,
            )
        cycler.until(protocol.frame_times(cell, number)[-1])
        pace.sleep(pause_s)


def prepare_live(cell: FilmCell, folder: str | Path, layout: LiveLayout = "growing") -> Path:
    """Write calib/ and experiment.toml, and the cycler's csv without rows; returns the experiment file."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_beside(cell, folder, "single" if layout == "appended" else "bliss")
    whole = folder / "echem" / "cell.csv"
    whole.rename(folder / "echem" / "whole.txt")
    (folder / "echem" / "cell.mpt").unlink()
    _Cycler(cell, folder).until(-cell.cycler_lead_s / 2)
    return folder / "experiment.toml"


def stored_frames(cell: FilmCell, map_index: int, count: int) -> Iterator[bytes]:
    """Frames of a map as bitshuffle-LZ4 chunks, by the filter itself in memory."""
    import h5py
    import hdf5plugin

    model, image = map_model(cell, map_index), np.empty(cell.shape, np.uint32)
    for number in range(min(count, cell.points)):
        model.image(number, image)
        with h5py.File("chunk", "w", driver="core", backing_store=False) as file:
            filters = hdf5plugin.Bitshuffle(nelems=0, cname="lz4")
            made = file.create_dataset("d", data=image[None], chunks=(1, *cell.shape), **filters)
            yield bytes(made.id.read_direct_chunk((0, 0, 0))[1])


def _telling(cell: FilmCell, map_index: int, done: Callable[[int], None] | None) -> Callable[[int], None]:
    return lambda frame: None if done is None else done(map_index * cell.points + frame)


def _write_file(
    cell: FilmCell, map_index: int, path: Path, chunks: Sequence[bytes], pace: Pace, swmr: bool,
    tell: Callable[[int], None], cycler: _Cycler,
) -> None:  # fmt: skip
    """One map in a BLISS-like file with its frames inside, each dataset as long as what is measured."""
    import h5py
    import hdf5plugin

    times = protocol.frame_times(cell, map_index)
    columns = _columns(cell, map_index)
    with h5py.File(path, "w", libver="latest") as file:
        scan = file.create_group("1.1")
        scan["title"] = f"fscan2d sz sx {cell.exposure_s:g}"
        scan["start_time"] = moment(cell, times[0] - cell.exposure_s / 2)
        scan["instrument/eiger/acq_parameters/acq_expo_time"] = cell.exposure_s
        frames = scan.create_dataset(
            "measurement/eiger", (0, *cell.shape), np.uint32, maxshape=(None, *cell.shape), chunks=(1, *cell.shape),
            **hdf5plugin.Bitshuffle(nelems=0, cname="lz4"),
        )  # fmt: skip
        counters = {
            name: scan.create_dataset(name, (0,), float, maxshape=(None,), chunks=(512,)) for name in columns
        }
        for name in ("instrument/positioners/sz", "instrument/positioners/sx"):
            counters[name].attrs["units"] = "mm"
        if swmr:
            file.swmr_mode = True
        written, flushed = 0, 0.0
        for number in range(cell.points):
            pace.wait()
            frames.resize(number + 1, 0)
            frames.id.write_direct_chunk((number, 0, 0), chunks[number % len(chunks)])
            if pace.now() - flushed < FLUSH_S and number + 1 < cell.points:
                continue
            for name, values in columns.items():
                counters[name].resize(number + 1, 0)
                counters[name][written : number + 1] = values[written : number + 1]
                counters[name].flush()
            frames.flush()
            cycler.until(times[number])
            for frame in range(written, number + 1):
                tell(frame)
            written, flushed = number + 1, pace.now()


def _columns(cell: FilmCell, map_index: int) -> dict[str, np.ndarray]:
    """What is recorded with each frame, by its place in the scan."""
    starts = protocol.frame_times(cell, map_index) - cell.exposure_s / 2
    z, x = protocol.grid_um(cell)
    row, column = np.divmod(protocol.frame_points(cell), cell.columns)
    return {
        "measurement/epoch": cell.started_s + starts, "measurement/ct34": monitor(cell, map_index),
        "instrument/positioners/sz": z[row] * 1e-3, "instrument/positioners/sx": x[column] * 1e-3,
    }  # fmt: skip


class _Cycler:
    """The cycler's csv, which grows with the time of the experiment; its last line may be cut."""

    def __init__(self, cell: FilmCell, folder: Path) -> None:
        self.lead, self.path = cell.cycler_lead_s, folder / "echem" / "cell.csv"
        whole = folder / "echem" / "whole.txt"
        head, *self.rows = whole.read_text().splitlines(keepends=True) if whole.exists() else [""]
        self.times = np.array([float(row.split(",", 1)[0]) for row in self.rows])
        self.head, self.written = head, 0

    def until(self, t_s: float) -> None:
        """Write the record up to `t_s` after the start of the first map, and half of the next row."""
        count = int(np.searchsorted(self.times, t_s + self.lead, side="right"))
        if count <= self.written or not self.rows:
            return
        half = self.rows[count][: len(self.rows[count]) // 2] if count < len(self.rows) else ""
        if not self.written:
            self.path.write_text(self.head)
        with open(
            self.path, "r+b"
        ) as file:  # appends, as a cycler does: a reader never finds less than before
            file.seek(len(self.head) + sum(map(len, self.rows[: self.written])))
            file.write(("".join(self.rows[self.written : count]) + half).encode())
            file.truncate()
        self.written = count


def main(arguments: Sequence[str] | None = None) -> None:
    """The writer as a process of its own; writes `written.csv`: when each frame was on disk."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", choices=("tiny", "demo", "paper"), default="tiny")
    parser.add_argument("--layout", choices=LAYOUTS, default="growing")
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--pause", type=float, default=1.0)
    parser.add_argument("--different", type=int, default=None)
    parser.add_argument("--first-map", type=int, default=0)
    for name in ("maps", "rows", "columns", "seed"):
        parser.add_argument(f"--{name}", type=int, default=None)
    given = parser.parse_args(arguments)
    changes: dict[str, Any] = {
        name: getattr(given, name)
        for name in ("maps", "rows", "columns", "seed")
        if getattr(given, name) is not None
    }
    cell = replace(getattr(FilmCell, given.preset)(), **changes)
    layout = cast(LiveLayout, given.layout)
    if not (given.folder / "experiment.toml").exists():
        prepare_live(cell, given.folder, layout)
    with open(given.folder / "written.csv", "a", buffering=1) as told:
        write_live(
            cell, given.folder, layout=layout, rate_hz=given.rate, pause_s=given.pause, different=given.different,
            first_map=given.first_map, done=lambda frame: print(f"{frame},{time.time():.3f}", file=told),
        )  # fmt: skip


if __name__ == "__main__":
    main()
