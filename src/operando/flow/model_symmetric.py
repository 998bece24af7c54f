"""The symmetric cell as a run of its own, from a table of contact areas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import InputError


def symmetric(table: Path, *, area_cm2: float, **facts: float) -> dict[str, xr.Dataset]:
    """`model/symmetric`: cell voltage from a csv of contact areas and interphase thickness over time.

    Columns: time_s, current_mA, contact_top_cm2, contact_bottom_cm2, and where known interphase_top_um,
    interphase_bottom_um, constriction_top_ohm_cm2, constriction_bottom_ohm_cm2, voltage_V (measured).
    """
    import pandas as pd

    from operando import models

    try:
        rows = pd.read_csv(table)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no table can be read: {error}", where=str(table), fix="Give a csv with a header."
        ) from error
    missing = [n for n in ("time_s", "current_mA", "contact_top_cm2", "contact_bottom_cm2") if n not in rows]
    if missing:
        raise InputError(
            f"no column {missing[0]}", where=str(table), fix=f"It has: {', '.join(map(str, rows.columns))}."
        )

    if len(rows) < 2:
        raise InputError(f"{len(rows)} rows", where=str(table), fix="Give two times or more.")

    def interface(side: str):
        def column(name: str) -> np.ndarray:
            return _numbers(rows, name, table) if name in rows else np.zeros(len(rows))

        return models.Interface(
            column(f"contact_{side}_cm2"), column(f"interphase_{side}_um"),
            constriction_ohm_cm2=column(f"constriction_{side}_ohm_cm2"),
        )  # fmt: skip

    cell = models.SymmetricCell(area_cm2=area_cm2, **facts)
    time_s, current = (_numbers(rows, name, table) for name in ("time_s", "current_mA"))
    if not (np.diff(time_s) > 0).all() or not np.isfinite(current).all():
        raise InputError(
            "times that do not ascend, or times or currents that are missing", where=str(table),
            fix="Sort the rows by time_s, and leave those without current out.",
        )  # fmt: skip
    found = models.cell_voltage(cell, time_s, interface("top"), interface("bottom"), current_mA=current)
    still = models.cell_voltage(
        cell, time_s, interface("top"), interface("bottom"), current_mA=current, contact="fixed"
    )
    found["voltage_fixed_contact"] = still["voltage"].assign_attrs(
        long_name="with the contact of the first time"
    )
    if "voltage_V" in rows:
        found["measured"] = (
            "time",
            _numbers(rows, "voltage_V", table),
            {"units": "V", "long_name": "measured voltage"},
        )
    return {"model/symmetric": found}


def _numbers(rows: Any, name: str, table: Path) -> np.ndarray:
    """A column as numbers, NaN where empty. Raises `InputError` that names the first line with something else."""
    import pandas as pd

    values = pd.to_numeric(rows[name], errors="coerce").to_numpy(float)
    wrong = np.flatnonzero(np.isnan(values) & rows[name].notna().to_numpy())
    if len(wrong):
        raise InputError(
            f"{rows[name].iloc[wrong[0]]!r} in column {name} is no number", where=f"{table}, row {wrong[0] + 1}",
            fix="Correct it, or leave the field empty where nothing was measured.",
        )  # fmt: skip
    return values
