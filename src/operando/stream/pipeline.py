"""`run`: one pass over frames through several reductions, on threads, a process pool or a cluster."""

from __future__ import annotations

import builtins
import logging
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..core import FrameBlock, Frames, Sums, digest
from ..core.errors import InputError, ReadError
from ..core.threads import available_cores
from .keys import frames_key, settings_digest
from .program import Program, compile_program, once, result
from .reductions import Reduction
from .store import Column, Finished, Folder, Memory, Span, narrow

LOG = logging.getLogger("operando.stream")

#: frames decoded and binned together
LANES = 32
#: most frames of one span: what is redone after a kill
SPAN = 512
#: threads that one reader can feed
MOST_THREADS = 8
#: results above this go to files even without a checkpoint folder
SPILL_BYTES = 512 * 2**20

#: compiled programs kept by this process, about 150 MB each for 4 million pixels
PROGRAMS = 4
_PROGRAMS: dict[str, Program] = {}


def run(
    reductions: Sequence[Reduction],
    frames: Frames,
    *,
    map: Callable = builtins.map,
    threads: int | None = None,
    checkpoint: str | Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Sums]:
    """Pass once over all frames and return the `Sums` of every reduction by name.

    The result is the same to the last bit for any `map`, number of threads and cut into blocks, and after a resume.

    map         the built-in; or that of a process pool, or of a Dask client (then each task uses one thread
                unless `threads` says more)
    threads     default: the cores this process may use, at most 8 (one reader feeds no more, and each takes 100 MB)
    checkpoint  a folder: finished spans of frames are kept there, a run that was killed goes on from them, and large
                results are memory-mapped from it. Settings and frames are part of its key: a stale one is never used
    progress    called with (frames done, frames in all)

    Raises `InputError` for reductions that meet no live pixel or share a name, `ReadError` with the frame number for
    damaged data, `OperandoError` when the disk is full (finished spans stay).
    """
    if len(frames) == 0:
        raise InputError("no frames", where=frames.name, fix="Check the file: the scan may not have started.")
    job = Job(tuple(reductions), frames, frames_key(reductions, frames))
    program = job.program()
    folder, spilled = _folder(job, program.columns(), checkpoint)
    target = folder or Memory(program.columns(), (0, len(frames)))
    spans = _spans(len(frames))
    done = {span: folder.load(span) for span in spans if folder and folder.finished(span)}
    if done:
        LOG.info("%d of %d spans were finished before in %s", len(done), len(spans), target)
    todo = [span for span in spans if span not in done]
    if map is builtins.map:
        threads = threads or min(available_cores(), MOST_THREADS)
        work = _stream(job, target, threads, todo)
    else:
        threads = threads or 1
        work = _results(map(partial(_task, job, folder, threads), todo))
    level = logging.INFO if len(frames) > 1 else logging.DEBUG  # checks look at single frames, one by one
    LOG.log(level, "%s: %d frames, %d threads a task", frames.name, len(frames), threads)
    for finished in _timed(work, sum(stop - start for start, stop in done), len(frames), progress):
        for key, values in finished.arrays.items():
            target.write(key, finished.span[0], values)
        finished.arrays = {}
        done[finished.span] = finished
    results = result(program, [done[span] for span in spans], target)
    if folder and spilled:
        shutil.rmtree(folder.path.parent, ignore_errors=True)  # what is mapped stays readable
    return {reduction.name: results[reduction.name] for reduction in reductions}


def _timed(work: Iterator[Finished], before: int, total: int, progress) -> Iterator[Finished]:
    """Pass spans on, tell `progress`, and log the speed at the end."""
    started, count = time.perf_counter(), before
    for finished in work:
        yield finished
        count += len(finished.index)
        if progress:
            progress(count, total)
    seconds = time.perf_counter() - started
    LOG.log(
        logging.INFO if total > 1 else logging.DEBUG,
        "%d frames in %.2f s: %.0f frames/s",
        count - before,
        seconds,
        (count - before) / max(seconds, 1e-9),
    )


def reduce_block(reduction: Reduction, block: FrameBlock) -> Sums:
    """One reduction of one block, by the same program as `run`."""
    dtype, key = (
        np.dtype(block.dtype),
        settings_digest(reduction, tuple(block.shape), np.dtype(block.dtype).str),
    )
    program = _cached(key, lambda: compile_program([reduction], block.shape, dtype, None, None))
    memory = Memory(program.columns(), (0, len(block)))
    finished = _reduce(program, block, memory, 0, (0, len(block)))
    return result(program, [finished], memory)[reduction.name]


@dataclass(frozen=True)
class Job:
    """What a worker needs, small to send: it compiles the program itself, once a process."""

    reductions: tuple
    frames: Frames
    key: str

    def program(self) -> Program:
        f = self.frames
        return _cached(
            self.key,
            lambda: compile_program(self.reductions, f.shape, np.dtype(f.dtype), f.dead_value, f.mask),
        )


def _cached(key: str, make: Callable[[], Program]) -> Program:
    if key not in _PROGRAMS:
        while len(_PROGRAMS) >= PROGRAMS:
            _PROGRAMS.pop(next(iter(_PROGRAMS)))
        _PROGRAMS[key] = make()
    return _PROGRAMS[key]


def _spans(n: int) -> list[Span]:
    size = LANES * int(np.clip(-(-n // (LANES * 16)), 1, SPAN // LANES))
    return [(first, min(first + size, n)) for first in range(0, n, size)]


def _folder(job: Job, columns: dict[str, Column], checkpoint) -> tuple[Folder | None, bool]:
    """The folder that results grow in, and whether it is a temporary one; None for memory."""
    n = len(job.frames)
    size = sum(column.nbytes(n) for column in columns.values())
    if checkpoint is None and size <= SPILL_BYTES:
        return None, False
    if checkpoint is None:
        base = Path(tempfile.mkdtemp(prefix="operando-"))
        LOG.info("results take %.1f GB and grow in %s; give checkpoint= to keep them", size / 1e9, base)
    else:
        base = Path(checkpoint)
        stale = [p.name for p in base.glob("*/settings.json")]
        if stale:
            LOG.debug("%s holds %d earlier settings", base, len(stale))
    name = digest(job.key, job.frames.digest, n) if checkpoint is not None else "run"
    folder = Folder(base / name, columns, n)
    folder.prepare(
        {"frames": job.frames.name, "count": n, "reductions": [r.name for r in job.reductions], "key": name}
    )
    return folder, checkpoint is None


def _results(values) -> Iterator[Finished]:
    """Results of any map; futures (as from a Dask client) are waited for."""
    for value in values:
        yield value.result() if hasattr(value, "result") else value


def _task(job: Job, folder: Folder | None, threads: int, span: Span) -> Finished:
    """One span in a process of its own: without a folder its arrays travel back."""
    target = folder or Memory(job.program().columns(), span)
    finished = next(_stream(job, target, threads, [span]))
    if isinstance(target, Memory):
        finished.arrays = target.arrays
    return finished


def _stream(job: Job, target: Folder | Memory, threads: int, spans: Sequence[Span]) -> Iterator[Finished]:
    """Read blocks here, reduce and write them on `threads`, and yield spans in order as they are complete.

    At most threads + 1 blocks are held at a time: memory does not grow with the number of frames.
    """
    program = job.program()
    waiting: deque[Future] = deque()
    collect = _Collector(target)
    with ThreadPoolExecutor(threads) as pool:
        for span in spans:
            position = span[0]
            for block in job.frames.blocks(*span, size=LANES):
                waiting.append(pool.submit(_reduce, program, block, target, position, span))
                position += len(block)
                while len(waiting) > threads:
                    yield from collect(waiting.popleft().result())
            if position != span[1]:
                raise ReadError(
                    f"frames {span[0]} to {span[1] - 1} were asked for, {position - span[0]} came",
                    where=job.frames.name,
                )
        while waiting:
            yield from collect(waiting.popleft().result())


def _reduce(
    program: Program, block: FrameBlock, target: Folder | Memory, position: int, span: Span
) -> Finished:
    """Reduce one block, write what is large to `target` at `position`, and return the rest."""
    block = once(block)
    columns = program.columns()
    finished = Finished(span, np.asarray(block.index, np.int64), sums=program.summed(block))
    for name, part in program.parts(block).items():
        signal, big = narrow(name, part, position, columns[f"{name}.signal"])
        target.write(f"{name}.signal", position, signal)
        if part.variance is not None:
            target.write(f"{name}.variance", position, part.variance)
        if len(big):
            finished.big[name] = big
        if part.lost:
            finished.lost[name] = {position + frame: units for frame, units in part.lost.items()}
    return finished


class _Collector:
    """Joins reduced blocks, which come in order, into spans, and marks those that are complete."""

    def __init__(self, target: Folder | Memory) -> None:
        self.target = target
        self.finished: Finished | None = None

    def __call__(self, part: Finished) -> Iterator[Finished]:
        self.finished = part if self.finished is None else self.finished.joined(part)
        if len(self.finished.index) == part.span[1] - part.span[0]:
            finished, self.finished = self.finished, None
            if isinstance(self.target, Folder):
                self.target.mark(finished)
            yield finished
