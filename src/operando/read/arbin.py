"""Arbin `.res` files (an Access database), by the access-parser library (Apache-2.0)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from operando.core.errors import ReadError, require_extra

from .tables import Recorded

UNITS = {
    "Test_Time": "Test Time / s", "Step_Time": "step time / s", "Current": "Current / A", "Voltage": "Voltage / V",
    "Charge_Capacity": "Charge Capacity / Ah", "Discharge_Capacity": "Discharge Capacity / Ah",
    "Internal_Resistance": "Internal Resistance / Ohm",
}  # fmt: skip


def read_res(path: str | Path) -> Recorded:
    """Columns of the table Channel_Normal_Table, in order of the data points.

    The names and units are those that MITS Pro writes; tested on tables made by hand, not on a file of the instrument.

    Raises `ReadError` where the file is no Arbin database, `ExtraMissing` without the library.
    """
    library = require_extra("access_parser", "echem", f"reading {Path(path).name} (Arbin)")
    try:
        table = library.AccessParser(str(path)).parse_table("Channel_Normal_Table")
    except Exception as error:  # the library raises whatever its parsing meets
        raise ReadError(
            f"the Access reader gave up ({type(error).__name__}: {error})", where=str(path),
            fix="Export the test from MITS Pro as csv with units in the column names and give that.",
        ) from error  # fmt: skip
    if not table or not table.get("Test_Time"):
        raise ReadError("no rows in Channel_Normal_Table", where=str(path), fix="Has the test begun?")
    order = np.argsort(np.asarray(table["Data_Point"]), kind="stable")
    columns = {
        UNITS.get(str(k), str(k)): np.asarray(v)[order] for k, v in table.items() if len(v) == len(order)
    }
    return Recorded(str(path), "Arbin res", columns)
