"""Frames of the film cell: expected counts of any frame, and Poisson numbers from them. A `core.Frames` in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from operando.core import FrameBlock, digest

from . import protocol
from .cell import FilmCell
from .grains import Grains, grow_grains, seen_share
from .scene import DEAD, Scene, scene
from .stack import LAYERS, OPTICAL_DEPTH, State, map_state
from .texture import hexagonal_q

MODEL_VERSION = 1  # by hand, when the same settings give other counts


@dataclass(frozen=True)
class MapModel:
    """What is needed to draw the frames of one map: the sample at each frame, and the grains that live then.

    number  (alive,) place of each grain in `grow_grains`
    grains  those of them that live at some time of this map, (alive,)
    seen    (frames, alive) part of the beam that each fills, times its strength
    """

    cell: FilmCell
    map_index: int
    state: State
    number: np.ndarray
    grains: Grains
    seen: np.ndarray
    time_s: np.ndarray

    def expected(
        self, frame: int, *, scale: float | None = None, out: np.ndarray | None = None
    ) -> np.ndarray:
        """(pixels,) expected counts of one frame, float32, zero in dead pixels; `out` is used where given."""
        from . import _kernels

        view = scene(self.cell)
        beam = float(self.state.beam[frame]) * (count_scale(self.cell) if scale is None else scale)
        depth = np.exp([-OPTICAL_DEPTH[name] for name in LAYERS])
        lit = beam * self.state.share[:, frame] * depth
        profile = lit @ view.profiles[:-1] + beam * float(self.state.transmission[frame]) * view.profiles[-1]
        rate = np.empty(view.factor.size, np.float32) if out is None else out
        _kernels.add_smooth(rate, view.factor, view.q_index, profile.astype(np.float32))
        light = dict(zip(LAYERS, lit, strict=True))
        for layer, pixels, values in view.still:
            if light[layer] > 1e-6 * beam:
                _kernels.add_still(rate, pixels, values, np.float32(light[layer]))
        if light["LCO"] > 1e-6 * beam:
            self._add_lco(rate, view, frame, light["LCO"])
        self._add_grains(rate, view, frame, beam * float(depth[LAYERS.index("Li")]))
        return rate

    def _add_lco(self, rate: np.ndarray, view: Scene, frame: int, light: float) -> None:
        from . import _kernels

        fraction = float(self.state.insulating[frame])
        for near in view.moving:
            family = 0 if near.ring.family == "perp" else 1
            for phase, part in enumerate((fraction, 1 - fraction)):
                height = light * near.ring.peak * part * float(self.state.amount[family, frame])
                if part < 1e-5:
                    continue
                q = hexagonal_q(
                    near.ring.hkl, self.state.a[family, phase, frame], self.state.c[family, phase, frame]
                )
                _kernels.add_moving(
                    rate,
                    near.pixels,
                    near.q,
                    near.shape,
                    np.float32(q),
                    np.float32(near.sigma),
                    np.float32(height),
                )

    def _add_grains(self, rate: np.ndarray, view: Scene, frame: int, light: float) -> None:
        for grain in np.flatnonzero(self.seen[frame] > 1e-6).tolist():
            pixels, spot = self._spot(view, grain, float(self.time_s[frame]))
            height = light * self.grains.peak[grain] * self.seen[frame, grain]
            rate[pixels] += (height * spot).astype(np.float32)

    def _spot(self, view: Scene, grain: int, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """The pixels of a grain's spot, and its shape on them for a height of one."""
        sigma = self.cell.grain_sigma_deg
        centre = float(self.grains.azimuth_at(time_s)[grain])
        at = []
        for middle in (centre - 360, centre, centre + 360):
            low, high = np.searchsorted(view.li_azimuth, [middle - 5 * sigma, middle + 5 * sigma])
            at.append(np.arange(low, high))
        near = np.concatenate(at)
        along = ((view.li_azimuth[near] - centre + 180) % 360 - 180) / sigma
        across = (view.li_q[near] - self.grains.q[grain]) / view.li_sigma
        return view.li_pixels[near], view.li_shape[near] * np.exp(-0.5 * (along**2 + across**2))

    def grain_counts(self) -> np.ndarray:
        """(frames, alive) counts that each living grain is expected to add to each frame; zero where a gap hides it.

        The azimuth is that of the frame that sees the grain best: within one map it turns by much less than its width.
        """
        view = scene(self.cell)
        through = float(np.exp(-OPTICAL_DEPTH["Li"])) * count_scale(self.cell)
        counts = self.seen * self.state.beam[:, None] * self.grains.peak * through
        best = self.seen.argmax(0)
        for grain in range(len(self.grains)):
            if counts[best[grain], grain] > 0:
                counts[:, grain] *= self._spot(view, grain, float(self.time_s[best[grain]]))[1].sum()
        return counts

    def image(self, frame: int, out: np.ndarray | None = None) -> np.ndarray:
        """(rows, columns) uint32 counts of one frame, 2^32-1 in dead pixels; `out` is used where given."""
        from . import _kernels

        view = scene(self.cell)
        out = np.empty(self.cell.shape, np.uint32) if out is None else out
        place = np.uint64(self.cell.seed) << np.uint64(32) ^ np.uint64(
            self.map_index * self.cell.points + frame
        )
        key = np.uint64(_kernels.mix(place)) >> np.uint64(1)
        rate = self.expected(frame, out=_scratch(view.factor.size))
        tables = _kernels.poisson_tables()
        _kernels.fill_poisson(rate, view.live, key, np.uint32(DEAD), *tables, out.reshape(-1))
        return out


_local = threading.local()


def _scratch(size: int) -> np.ndarray:
    """A float32 array that this thread may overwrite: fresh memory costs more than filling it."""
    if getattr(_local, "rate", np.empty(0)).size != size:
        _local.rate = np.empty(size, np.float32)
    return _local.rate


@lru_cache(maxsize=4)
def map_model(cell: FilmCell, map_index: int) -> MapModel:
    """State and grains of one map."""
    row, column = np.divmod(protocol.frame_points(cell), cell.columns)
    time_s = protocol.frame_times(cell, map_index)
    grains, now = grow_grains(cell), map_state(cell, map_index)
    height = protocol.grid_um(cell)[0][row]
    alive = np.flatnonzero((grains.born_s < time_s[-1]) & (grains.died_s > time_s[0]))
    here = grains.some(alive)
    near = np.flatnonzero(now.share[LAYERS.index("Li")] > 1e-9)
    seen = np.zeros((cell.points, len(alive)))
    seen[near] = seen_share(cell, here, height[near], column[near], time_s[near])
    return MapModel(cell, map_index, now, alive, here, seen, time_s)


@lru_cache(maxsize=8)
def count_scale(cell: FilmCell) -> float:
    """What makes the mean over live pixels of the first map `mean_counts` (from every row of one column)."""
    model = map_model(cell, 0)
    frames = np.arange(cell.columns // 2, cell.points, cell.columns)
    live = scene(cell).live.sum()
    mean = np.mean([model.expected(int(f), scale=1.0).sum(dtype=np.float64) / live for f in frames])
    return cell.mean_counts / float(mean)


def monitor(cell: FilmCell, map_index: int) -> np.ndarray:
    """(points,) counts of the diode behind the sample: incoming beam times transmission, with its noise."""
    state = map_state(cell, map_index)
    rng = np.random.default_rng([cell.seed, 31, map_index])
    return rng.poisson(cell.monitor_counts * state.beam * state.transmission).astype(np.float64)


@dataclass(frozen=True)
class FilmFrames:
    """The frames of one map as a `core.Frames`: drawn when asked for, the same each time."""

    cell: FilmCell
    map_index: int = 0
    dead_value: int | None = DEAD

    @property
    def name(self) -> str:
        return f"film cell, seed {self.cell.seed}, map {self.map_index}"

    @property
    def shape(self) -> tuple[int, int]:
        return self.cell.shape

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint32)

    @property
    def mask(self) -> np.ndarray:
        return ~scene(self.cell).live.reshape(self.cell.shape)

    @property
    def time_s(self) -> np.ndarray:
        return self.cell.started_s + protocol.frame_times(self.cell, self.map_index)

    @property
    def monitor(self) -> np.ndarray:
        return monitor(self.cell, self.map_index)

    @property
    def digest(self) -> str:
        return digest(self.cell, self.map_index, MODEL_VERSION)

    def __len__(self) -> int:
        return self.cell.points

    def blocks(self, start: int = 0, stop: int | None = None, size: int = 32) -> Iterator[FrameBlock]:
        stop = len(self) if stop is None else min(stop, len(self))
        model = map_model(self.cell, self.map_index)
        time_s, beam = self.time_s, self.monitor
        for first in range(start, stop, size):
            index = np.arange(first, min(first + size, stop))
            yield FrameBlock(
                index=index, shape=self.shape, dtype=self.dtype, time_s=time_s[index], monitor=beam[index],
                load=partial(_images, model, index),
            )  # fmt: skip


def _images(model: MapModel, index: np.ndarray) -> np.ndarray:
    return np.stack([model.image(int(i)) for i in index])


def film_frames(cell: FilmCell, map_index: int = 0) -> FilmFrames:
    """The frames of one map as a `core.Frames`: codec "raw", the same counts as `simulate` writes."""
    return FilmFrames(cell, map_index)
