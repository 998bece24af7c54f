"""The film cell in one dimension: charge, discharge and rest as one experiment."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from operando.core.errors import InputError

from .film_electrode_cell import FIRST_CYCLE, Drive, FilmCell, Follow, Hold, Rest, Step
from .film_electrode_profiles import describe_film
from .film_electrode_record import check_record, expanded
from .film_electrode_run import run

_WHERE = "simulate_film"


def simulate_film(
    cell: FilmCell | None = None, steps: Sequence[Step] = FIRST_CYCLE, *, cells: int = 200, rtol: float = 1e-6,
    atol: float = 1e-8, points: int = 200,
) -> xr.Dataset:  # fmt: skip
    """Run an experiment of steps on a film cell: Li content over depth and time, voltage, current, front.

    dx/dt = d/dz (D(x) dx/dz), no flux at the substrate, i / (F sites) at the electrolyte;
    V = U(x_s) + (2RT/F) asinh(i / 2 i0) at the film, the electrolyte (ohmic, or drift and diffusion), and at the Li.
    Finite volumes in the potential of diffusion (the integral of D): the content is conserved exactly.
    PyBaMM with its IDAKLU solver (extra `models`).

    cells         finite volumes of the film
    rtol, atol    of the solver
    points        output times of each step

    Returns over time (s) and z (um above the substrate, middles of the volumes): `x_li`; over time: `voltage` (V),
    `current_density` (mA/cm2, positive on charge), `areal_capacity` (net charge, mAh/cm2), `surface_x`, `plated` (um,
    Faraday), `front` (um, NaN without two phases), `front_speed` (nm/s, positive away from the electrolyte),
    `insulating` (um of Li-rich phase), `step` (number; within a record one more wherever its current changes sign).
    With `columns` also `x_li_columns` over column.
    attrs: `mass_balance` (largest |Li lost - charge / F|, relative to the charge passed), `ended` (why each step
    ended), `notes`.

    The front of this model is as sharp as a few volumes: a front several um wide in an image is not explained by
    it. `Columns` can describe such a width with a fitted spread; that is a description, not a prediction.

    Raises `InputError` for a voltage that the open-circuit curve does not reach, for a limit violated when a step
    starts, and for a discharge without Li to strip. Source: micro-XRD paper, reference 7 (Celè et al.).
    """
    cell = cell or FilmCell()
    _check_steps(cell, steps)
    if cells < 10 or points < 2:
        raise InputError("cells must be 10 or more and points 2 or more", where=_WHERE)
    raw = run(cell, expanded(steps, points), cells, rtol, atol)
    return describe_film(cell, raw)


def _check_steps(cell: FilmCell, steps: Sequence[Step]) -> None:
    if not steps:
        raise InputError("an experiment needs at least one step", where=_WHERE)
    for number, step in enumerate(steps, 1):
        where = f"{_WHERE}, step {number} ({type(step).__name__})"
        if not isinstance(step, Hold | Drive | Rest | Follow):
            raise InputError("a step is a Hold, Drive, Rest or Follow", where=where)
        if isinstance(step, Follow):
            check_record(step, where)
        if not step.hours > 0:
            raise InputError(f"hours = {step.hours} must be positive", where=where)
        if isinstance(step, Hold):
            cell.ocv.x_at(step.voltage, where)
            if step.until_mA_per_cm2 is not None and not step.until_mA_per_cm2 > 0:
                raise InputError("until_mA_per_cm2 is a magnitude and must be positive", where=where)
        if isinstance(step, Drive) and step.mA_per_cm2 == 0:
            raise InputError("a Drive needs a current; use Rest for none", where=where)
