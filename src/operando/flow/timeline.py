"""The cycler's table, and what it said at the middle of each map and row."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from operando.core.errors import ExperimentError

from .clock_find import find_offset
from .clock_signals import Signal, signals
from .echem_record import record_groups
from .spectra import impedance_groups

if TYPE_CHECKING:
    from .running import Run
    from .sections import CyclerSection


def electrochemistry(job: Run, groups: dict[str, xr.Dataset]) -> xr.Dataset | None:
    """Read the cycler files that the experiment names into `groups["echem"]`; None where it names none.

    Adds what `record_groups` finds in it. Raises `ExperimentError` where maps are to be dated by a record that has no
    absolute time, before any frame is read.
    """
    section = job.experiment.cycler
    if section is None:
        return None
    table = read_record(job, section)
    if job.experiment.xrd is not None and section.clock_offset_s != "none":
        _dated(table)
    groups["echem"] = table
    area = job.experiment.cell.area_cm2 if job.experiment.cell else None
    more, absent = record_groups(table, area_cm2=area)
    groups |= more
    table.attrs["absent"] = absent
    return table


def read_record(job: Run, section: CyclerSection, *, of: str = "") -> xr.Dataset:
    """The table of the files of a [cycler]; said, and noted what the reader warns of. `of`: the technique it is of."""
    from operando.read import cycler

    table = cycler(section.file, zone=section.zone, start=section.start, current_sign=section.current_sign)
    names = [section.file] if isinstance(section.file, str) else section.file
    hours = float(table["time"].max() - table["time"].min()) / 3600
    told = {"find": "to be found", "none": "not used"}
    offset = section.clock_offset_s
    whose = f" of {of}" if of else ""
    clock = told[offset] if isinstance(offset, str) else f"{offset:+.1f} s"
    files = ", ".join(Path(name).name for name in names)
    job.listener.say(
        "cycler", f"{files}{whose}: {table.sizes['record']:,} rows, {hours:.2f} h, offset {clock}"
    )
    job.notes.extend(
        f"{of}: {warning}" if of else str(warning) for warning in table.attrs.get("warnings", [])
    )
    return table


def impedance(job: Run, groups: dict[str, xr.Dataset]) -> None:
    """Read the impedance files that the experiment names, and add the groups of `impedance_groups`."""
    section = job.experiment.impedance
    if section is None:
        return
    from operando.read import impedance_spectra

    files = [section.files] if isinstance(section.files, str) else section.files
    zone = section.zone or (job.experiment.cycler.zone if job.experiment.cycler else None)
    spectra = [spectrum for file in files for spectrum in impedance_spectra(file, zone=zone)]
    cell = job.experiment.cell
    area = section.area_cm2 or (cell.area_cm2 if cell else None)
    found = impedance_groups(
        spectra, circuit=section.circuit, area_cm2=area, thickness_um=section.thickness_um,
        interfaces=section.interfaces, bulk=section.bulk,
    )  # fmt: skip
    groups |= found
    job.listener.say("impedance", f"{len(spectra)} spectra of {len(files)} files")
    for name, spectrum in found.items():
        if "kk_verdict" in spectrum.attrs and not spectrum.attrs["kk_verdict"].startswith("consistent"):
            job.notes.append(f"{name}: Kramers-Kronig {spectrum.attrs['kk_verdict']}")


def _dated(table: xr.Dataset) -> None:
    if np.isfinite(table["utc"].values).all():
        return
    local = str(table.attrs.get("start_local", ""))
    what = (
        f"the start {local} is a local time without a zone"
        if local
        else "the cycler file has no absolute start"
    )
    known = 'zone = "Europe/Paris"' if local else 'start = "2025-03-04T22:17:03+01:00"'
    raise ExperimentError(
        f"{what}, so maps cannot be put on its clock", where=f"[cycler], {table.attrs.get('source', '')}",
        fix=f'Write {known} there, or clock_offset_s = "none" to leave record and maps apart.',
    )  # fmt: skip


def clock_groups(job: Run, table: xr.Dataset, groups: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Voltage, current and capacity at the middle of each map (`clock`) and row (`clock/rows`), with flags before and
    after the record; the figure that shows the alignment (`clock/alignment`), and from what an offset was found.

    Raises `ExperimentError` when the offset is to be found but cannot be.
    """
    from operando import echem

    section, xrd = job.experiment.cycler, groups["xrd"]
    assert section is not None
    if section.clock_offset_s == "none":
        job.notes.append("maps and electrochemistry are not aligned: clock_offset_s is none")
        return {"clock": xr.Dataset()}
    if not xrd.attrs.get("epoch"):
        if section.clock_offset_s == "find":
            raise ExperimentError(
                "the clock offset cannot be found: the detector files hold no times", where="cycler.clock_offset_s",
                fix='Write clock_offset_s = "none" to leave record and maps apart.',
            )  # fmt: skip
        job.notes.append(
            "the detector files hold no absolute time: maps and electrochemistry are not aligned"
        )
        return {"clock": xr.Dataset()}
    start = datetime.fromisoformat(xrd.attrs["epoch"]).timestamp()
    found = signals(groups, job.experiment.model_dump())
    clock, seen = _clock(job, found, table, xrd, start)
    utc = xrd["time"] + start
    result = {"clock": echem.at(table, utc, clock=clock)}
    result["clock"]["utc"] = utc.assign_attrs(units="s", long_name="middle of each map, since 1970-01-01 UTC")
    if np.isfinite(xrd["row_time"]).all():
        result["clock/rows"] = echem.at(table, xrd["row_time"] + start, clock=clock)
    if seen is not None:
        result["clock/seen"] = seen
    shown = _shown(found, seen)
    if shown is not None:
        result["clock/alignment"] = _alignment(shown, table, clock, start)
    return result


def _clock(
    job: Run, found: list[Signal], table: xr.Dataset, xrd: xr.Dataset, start: float
) -> tuple[Any, Any]:
    """The clock as stated, or found from the signals, and what each signal said (None for a stated clock)."""
    from operando import echem

    section = job.experiment.cycler
    assert section is not None
    if section.clock_offset_s != "find":
        stated = 0.0 if section.clock_drift == "find" else section.clock_drift
        offset = float(section.clock_offset_s)
        return echem.Clock(offset, section.clock_offset_err_s, stated, reference_utc=start), None
    if section.clock_signal is not None:
        found = [s for s in found if section.clock_signal in s.name]
    clock, seen = find_offset(
        found, table, exposure_s=_row_s(xrd), guess_s=section.clock_guess_s, search_s=section.clock_search_s,
        window_s=section.clock_window_s, events=section.clock_events, drift=section.clock_drift == "find",
    )  # fmt: skip
    drift = f", drift {clock.drift:+.2e} ± {clock.drift_err:.1e}" if clock.drift else ""
    offset_text = f"offset {clock.offset_s:+.1f} ± {clock.offset_err_s:.1f} s"
    job.listener.say("clock", f"{offset_text}{drift} (found from {clock.source})")
    return clock, seen


def _row_s(xrd: xr.Dataset) -> float:
    """Time from one row to the next."""
    rows = xrd["row_time"].transpose("time", "z").values
    steps = np.abs(np.diff(rows, axis=1))
    return float(np.nanmedian(steps)) if steps.size and np.isfinite(steps).any() else 0.0


def _shown(found: list[Signal], seen: xr.Dataset | None) -> Signal | None:
    """The signal that told most of the offset, else the first there is."""
    if seen is not None:
        best = str(seen["signal"].values[int(seen["offset_err"].values.argmin())])
        return next(s for s in found if s.name == best)
    return found[0] if found else None


def _alignment(signal: Signal, table: xr.Dataset, clock: Any, start: float) -> xr.Dataset:
    """`echem.alignment` of all series of a signal, each less its own mean, on the time axis of the maps."""
    from operando import echem

    value = signal.value - np.nanmean(signal.value, axis=0)
    good = np.isfinite(value) & np.isfinite(signal.error) & np.isfinite(signal.utc)
    made = echem.alignment(signal.utc[good], value[good], table, clock, signal_err=signal.error[good])
    shift = float(signal.utc[good].min()) - start
    made = made.assign_coords(time=made["time"] + shift)
    for name in ("record_time", "event_time"):
        made[name] = (made[name] + shift).assign_attrs(made[name].attrs)
    made["time"].attrs = {"units": "s", "long_name": "time since the first frame"}
    for name in ("signal", "signal_err"):
        made[name].attrs |= {
            "units": signal.unit,
            "long_name": f"{signal.name}, less the mean of each row or column",
        }
    return made.assign_attrs(signal=signal.name)
