"""Growth of a film: steps, layers, frames and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from ._engines import Coefficients, Dense, Sparse
from .checkpoint import load, save, signature
from .film import FilmModel, Growth, check_resolution, finer, substeps
from .seeds import Seeds

ENGINES: dict[str, Any] = {"boxes": Sparse, "dense": Dense}
CHUNK = 2000  # steps between two looks at progress


def grow(
    model: FilmModel,
    growth: Growth,
    seeds: Seeds,
    *,
    frames: int = 41,
    engine: str = "boxes",
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 20000,
    progress: Callable[[float], None] | None = None,
) -> xr.Dataset:
    """The film as it grows: orientation map, thickness, free energy and grain sizes at `frames` times.

    engine       "boxes" follows each grain in its box; "dense" computes every grain everywhere (the check)
    checkpoint   file that the state is written to every `checkpoint_every` steps; a run that finds one of the same
                 settings goes on from there and ends bit-identical to one that was never stopped
    Returns `grain` over time, z, (y,) x: index of the grain, -1 where there is none; `thickness` (um), `free_energy`
    (J/m2 of substrate; in units of m um for a model without energy scale), `size` (um2, in 3D um3) over grain and
    time; `orientation` and `seed_size` over grain.
    Raises `InputError` for an unstable explicit step, an unknown orientation, an interface thinner than the grid.
    """
    if engine not in ENGINES:
        raise InputError(f"engine = {engine!r}", where="grow", fix=f"Choose one of {tuple(ENGINES)}.")
    if frames < 2 or seeds.labels.shape[1:] != growth.cells[1:]:
        raise InputError(
            f"seeds of {seeds.labels.shape[1:]} (y, x) cells, domain of {growth.cells[1:]}; at least 2 frames",
            where="grow",
        )
    divide = substeps(model, growth)
    cells = check_resolution(model, growth)
    step_s = growth.time_step_s / divide
    steps = max(frames - 1, round(growth.duration_s / step_s))
    c = Coefficients.of(model, growth, seeds, step_s)
    times = np.unique(np.round(np.linspace(0, steps, frames)).astype(np.int64))
    mark = signature(model, growth, seeds, times, engine)
    film = load(checkpoint, mark, c, growth) if checkpoint is not None else None
    state, done, records = film or (ENGINES[engine].start(c, growth, seeds, growth.first_layers), 0, [])
    if not records:
        records.append(_record(state))
    due = _events(growth, steps, step_s, times, checkpoint_every if checkpoint is not None else CHUNK)
    for event in due[due > done]:
        state.advance(int(event - done))
        done = int(event)
        while state.active < growth.layers(done * step_s):
            state.deposit(model.fill == "copy")
        if done in times:
            records.append(_record(state))
        if checkpoint is not None and (done % checkpoint_every == 0 or done == steps):
            save(checkpoint, mark, state, done, records)
        if progress is not None:
            progress(done / steps)
    return _dataset(model, growth, seeds, records, times * step_s, state, divide, cells)


def _events(growth: Growth, steps: int, step_s: float, times: np.ndarray, every: int) -> np.ndarray:
    """Step numbers at which something happens: a layer, a frame, a checkpoint, the end."""
    layers = np.empty(0)
    if growth.deposition_um_per_s > 0:
        number = np.arange(1, growth.shape[0] - growth.first_layers + 1)
        layers = np.ceil(number * growth.spacing_um / growth.deposition_um_per_s / step_s - 1e-9)
    marks = np.concatenate([layers[layers <= steps], times, np.arange(every, steps, every), [steps]])
    return np.unique(marks.astype(np.int64))


def _record(state) -> tuple[np.ndarray, int, float]:
    number = len(state.coefficients.kappas)
    return state.labels().astype(np.int16 if number < 2**15 else np.int32), state.active, state.energy()


def _dataset(model, growth, seeds, records, seconds, state, divide, cells) -> xr.Dataset:
    dx = growth.spacing_um
    dimensions = len(growth.shape)
    labels = np.stack([r[0] for r in records])
    number = len(seeds.orientation)
    counts = np.stack([np.bincount(frame[frame >= 0].ravel(), minlength=number) for frame in labels])
    plane = growth.cells[1] * growth.cells[2]
    physical = np.isfinite(model.well_J_per_m3)
    energy = (
        np.array([r[2] for r in records]) * dx / plane * (model.well_J_per_m3 * 1e-6 if physical else 1.0)
    )
    dims = ("time", "z", "x") if dimensions == 2 else ("time", "z", "y", "x")
    cube = labels[:, :, 0] if dimensions == 2 else labels
    axes = {
        d: (d, (np.arange(n) + 0.5) * dx, {"units": "um"})
        for d, n in zip(dims[1:], growth.shape, strict=True)
    }
    energy_units = "J/m2" if physical else "m um"
    size_units = "um2" if dimensions == 2 else "um3"
    seed_counts = np.bincount(seeds.labels[seeds.labels >= 0].ravel(), minlength=number)
    return xr.Dataset(
        {
            "grain": (dims, cube, _about("1", "grain in a cell, -1 for none")),
            "thickness": ("time", np.array([r[1] for r in records]) * dx, _about("um", "film thickness")),
            "free_energy": ("time", energy, _about(energy_units, "free energy per area of substrate")),
            "size": (("time", "grain_id"), counts * dx**dimensions, _about(size_units, "size of each grain")),
            "seed_size": ("grain_id", seed_counts * dx**dimensions, _about(size_units, "size at the start")),
            "orientation": ("grain_id", np.array(seeds.orientation, str), _about("1", "orientation along z")),
        },
        coords={"time": ("time", seconds, {"units": "s"}), "grain_id": np.arange(number), **axes},
        attrs={
            "form": model.form, "orientations": list(model.orientations), "spacing_um": dx,
            "step_s": growth.time_step_s / divide, "substeps": divide, "interface_cells": cells,
            "deposition_um_per_s": growth.deposition_um_per_s, "peak_bytes": state.nbytes(),
            **{f"choice: {name}": value for name, value in model.choices},
        },
    )  # fmt: skip


def _about(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}


def time_error(model: FilmModel, growth: Growth, seeds: Seeds, *, engine: str = "boxes") -> xr.Dataset:
    """What halving the time step changes: the error of the step that was taken, first order in time.

    Returns `label_share` (share of cells whose grain differs at the end) and `energy` (relative change of the
    free energy), both with the step taken against half of it.
    """
    one, two = (grow(model, g, seeds, frames=2, engine=engine) for g in (growth, finer(growth)))
    differ = float((one.grain[-1].values != two.grain[-1].values).mean())
    change = float(one.free_energy[-1] / two.free_energy[-1] - 1)
    return xr.Dataset(
        {"label_share": ((), differ, {"units": "1"}), "energy": ((), change, {"units": "1"})},
        attrs={"step_s": one.attrs["step_s"]},
    )


def deposition_rate(current_mA_per_cm2: float, *, metal: str = "Li", efficiency: float = 1.0) -> float:
    """Growth rate in um/s of a dense metal at a current density: R = j V_m / (z F), z = 1.

    0.1 mA/cm2 of lithium is 1.35e-4 um/s. Raises `InputError` for a metal whose molar volume is not known.
    """
    from operando.models.grain_selection_materials import material

    if not current_mA_per_cm2 > 0 or not 0 < efficiency <= 1:
        raise InputError(
            "current density must be positive, efficiency between 0 and 1", where="deposition_rate"
        )
    from operando.core.units import FARADAY_C_PER_MOL

    volume = material(metal).need("molar_volume_cm3_per_mol")
    return current_mA_per_cm2 * 1e-3 * efficiency * volume / FARADAY_C_PER_MOL * 1e4
