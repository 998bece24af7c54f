"""What a figure of the record needs: few points that look like many, and the marks of the maps."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .clock import Clock


def thin(
    table: xr.Dataset, *, points: int = 4000, names: tuple[str, ...] = ("voltage", "current", "capacity")
) -> xr.Dataset:
    """Records that draw the same curve: in each of points / 6 equal stretches of time, where each of `names` is lowest
    and highest, and the first and last record of all.

    No peak, spike or switch is lost at the resolution of the stretches. Returns the chosen records, `record` being
    their number in the whole table.
    """
    size = table.sizes["record"]
    number = np.arange(size)
    if size <= points:
        return table.assign_coords(record=number)
    time = table["time"].values
    stretches = max(points // (2 * len(names)), 1)
    bounds = np.searchsorted(time, np.linspace(time[0], time[-1], stretches + 1)[1:-1])
    bounds = np.unique(np.concatenate([[0], bounds, [size]]))
    chosen = [np.array([0, size - 1])]
    owner = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    for name in names:
        values = np.nan_to_num(table[name].values.astype(float))
        for extreme in (np.minimum.reduceat(values, bounds[:-1]), np.maximum.reduceat(values, bounds[:-1])):
            hits = np.flatnonzero(values == extreme[owner])
            chosen.append(hits[np.unique(owner[hits], return_index=True)[1]])
    keep = np.unique(np.concatenate(chosen))
    return table.isel(record=keep).assign_coords(record=keep)


def alignment(
    utc: np.ndarray,
    signal: np.ndarray,
    table: xr.Dataset,
    clock: Clock,
    *,
    signal_err: np.ndarray | None = None,
) -> xr.Dataset:
    """The figure that shows whether the clocks agree: an image signal and the current on the detector's clock.

    Returns over `time` (s since the first frame): signal, signal_err where given; over `record`: record_time (s on the
    same scale, shifted by the clock), current (A); over `event`: event_time and event_err (s) of every switch.
    """
    from .events import current_events

    order = np.argsort(utc)
    utc, signal = np.asarray(utc, float)[order], np.asarray(signal, float)[order]
    zero = float(utc[0])
    shown = thin(table, names=("current",))
    events = current_events(table)
    moments = clock.to_detector(events.utc.values)
    data = {
        "signal": ("time", signal, {"long_name": "signal from the images"}),
        "record_time": ("record", clock.to_detector(shown.utc.values) - zero, {"units": "s"}),
        "current": ("record", shown.current.values, {"units": "A", "long_name": "current"}),
        "event_time": ("event", moments - zero, {"units": "s", "long_name": "switch of the current"}),
        "event_err": ("event", np.hypot(clock.error(moments), events.utc_err.values), {"units": "s"}),
    }
    if signal_err is not None:
        data["signal_err"] = ("time", np.asarray(signal_err, float)[order], {})
    coords = {"time": ("time", utc - zero, {"units": "s", "long_name": "time since the first frame"})}
    return xr.Dataset(data, coords=coords, attrs={f"clock_{k}": v for k, v in vars(clock).items()})


def nyquist(spectrum: xr.Dataset, fit: xr.Dataset | None = None) -> xr.Dataset:
    """Nyquist and Bode columns of a spectrum and its fit, over `frequency` (Hz).

    z_re, minus_z_im, modulus (Ohm) and phase (degrees), and the same of the fit with the ending _fit.
    """
    parts = {"": spectrum["z_re"] + 1j * spectrum["z_im"]}
    if fit is not None:
        parts["_fit"] = fit["z_re_fit"] + 1j * fit["z_im_fit"]
    data = {}
    for ending, z in parts.items():
        data[f"z_re{ending}"] = ("frequency", z.values.real, {"units": "Ohm", "long_name": "Re Z"})
        data[f"minus_z_im{ending}"] = ("frequency", -z.values.imag, {"units": "Ohm", "long_name": "-Im Z"})
        data[f"modulus{ending}"] = ("frequency", np.abs(z.values), {"units": "Ohm", "long_name": "|Z|"})
        data[f"phase{ending}"] = (
            "frequency",
            np.degrees(np.angle(z.values)),
            {"units": "degrees", "long_name": "phase"},
        )
    return xr.Dataset(data, coords={"frequency": spectrum["frequency"]})


def summary(
    table: xr.Dataset, *, area_cm2: float | None = None, nominal_mAh: float | None = None
) -> dict[str, str]:
    """What a quick look in the terminal says about a record: label -> text, in order of interest."""
    from .cycling import cycles, steps

    runs, every = steps(table), cycles(table, area_cm2=area_cm2, nominal_mAh=nominal_mAh)
    time, voltage, current = (table[name].values for name in ("time", "voltage", "current"))
    kinds = runs["kind"].values
    start = table.attrs.get("start") or table.attrs.get("start_local") or "unknown"
    zone = "" if table.attrs.get("start") or start == "unknown" else " local time, zone unknown"
    lines = {
        "format": f"{table.attrs.get('format', '')} {table.attrs.get('technique', '')}".strip(),
        "records": f"{len(time)}, {(time[-1] - time[0]) / 3600:.2f} h", "started": f"{start}{zone}",
        "voltage": f"{np.nanmin(voltage):.4f} to {np.nanmax(voltage):.4f} V",
        "current": f"{np.nanmin(current) * 1e3:.4g} to {np.nanmax(current) * 1e3:.4g} mA",
        "steps": ", ".join(f"{int((kinds == kind).sum())} {kind}" for kind in ("charge", "discharge", "rest")),
    }  # fmt: skip
    for name in ("charge", "discharge"):
        values = every[f"{name}_capacity"].values
        if np.isfinite(values).any():
            good = values[np.isfinite(values)]
            areal = f" ({good[-1] / area_cm2:.4g} mAh/cm2)" if area_cm2 else ""
            lines[f"{name} capacity"] = f"{good[0]:.4g} mAh first, {good[-1]:.4g} mAh last{areal}"
    efficiency = every["coulombic_efficiency"].values
    if np.isfinite(efficiency).any():
        lines["coulombic efficiency"] = (
            f"{np.nanmedian(efficiency):.2%} (median of {np.isfinite(efficiency).sum()} cycles)"
        )
    for number, warning in enumerate(table.attrs.get("warnings", [])):
        lines[f"note {number + 1}"] = str(warning)
    return lines
