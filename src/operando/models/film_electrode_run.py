"""Steps of an experiment on a film cell, solved one after the other with IDAKLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from operando.core.errors import InputError, OperandoError, require_extra

from .film_electrode_cell import Drive, FilmCell, Hold, Rest
from .film_electrode_pybamm import FilmModel
from .film_electrode_record import Piece


def run(cell: FilmCell, pieces: Sequence[Piece], cells: int, rtol: float, atol: float) -> dict[str, Any]:
    """Arrays of all steps joined: time, x (column, z, time), surface, current (A/m2), voltage, charge (C/m2), step."""
    pybamm = require_extra("pybamm", "models", "the film model")
    pybamm.set_logging_level("ERROR")
    model = FilmModel(cell, cells, pybamm)
    solver = pybamm.IDAKLUSolver(rtol=rtol, atol=atol, options={"silence_sundials_errors": True})
    parts, ended, state = [], [], None
    for one in pieces:
        where = f"simulate_film, step {one.number + 1} ({type(one.step).__name__})"
        state = _advance(solver, model, state, one.step, one.points, where, pybamm)
        parts.append(model.arrays(state, one.number))
        if one.recorded and "final time" not in str(state.termination):
            ended.append(f"the model cannot follow the record any further ({_limit(state)})")
            break
        ended.append(_why(state, one.step, cell, parts[-1], where))
    joined = {
        name: np.concatenate([_later(part, parts, i)[name] for i, part in enumerate(parts)], axis=-1)
        for name in parts[0]
    }
    return {**joined, "ended": ended, "cells": cells}


def _later(part: dict, parts: list[dict], number: int) -> dict:
    """A step's arrays on the clock of the experiment."""
    start = sum(float(p["time"][-1]) for p in parts[:number])
    return {**part, "time": part["time"] + start}


def _advance(solver, model: FilmModel, state, step: Hold | Drive | Rest, points: int, where: str, pybamm):
    seconds = step.hours * 3600
    times = np.linspace(0, seconds, points)
    try:
        if state is not None:
            model.begin_from(state)
        return solver.solve(model.model, [0, seconds], t_interp=times, inputs=model.inputs(step))
    except pybamm.SolverError as error:
        said = str(error)
        if "initial conditions" in said and "Event" in said:
            raise InputError(
                f"a limit of the step is already passed when it starts: {said.splitlines()[0]}", where=where,
                fix="Check the signs and the limits: charge is positive and ends above, discharge negative and below.",
            ) from error  # fmt: skip
        raise OperandoError(
            f"the solver gave up: {said.splitlines()[0]}", where=where,
            fix="Tighten rtol, use more cells, or smooth the open-circuit and diffusion curves.",
        ) from error  # fmt: skip


def _limit(state) -> str:
    """What stopped a step before its time, in words."""
    said = str(state.termination)
    return "its surface is full or empty of lithium" if "OCV" in said else said.removeprefix("event: ")


def _why(state, step: Hold | Drive | Rest, cell: FilmCell, part: dict, where: str) -> str:
    said = str(state.termination)
    if "OCV" in said:
        raise InputError(
            f"the surface left the open-circuit curve (x = {cell.ocv.x[0]:.3g} to {cell.ocv.x[-1]:.3g}) "
            f"after {part['time'][-1]:.0f} s", where=where,
            fix="Give a curve that reaches further, or a step that ends earlier.",
        )  # fmt: skip
    if "plated" in said and part["charge"][0] < 1:  # C/m2, 0.03 uAh/cm2
        raise InputError("there is no plated lithium to strip", where=where, fix="Charge first.")
    return "time" if "final time" in said else said.removeprefix("event: ")
