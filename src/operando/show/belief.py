"""What the report says of whether to believe it: fits, positions, the standard's distance, the clocks."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .summary import good, mean
from .text import grouped, listed, number, reason, with_error


def fits_believed(table, rings: dict[str, xr.Dataset]) -> list[str]:
    """How many fits are valid, and how good they are."""
    fits = table[table["series"] != "map points"]
    if not len(fits) or not fits["points"].sum():
        return ["No peak was fitted."]
    share = fits["valid"].sum() / fits["points"].sum()
    found = [
        f"{grouped(fits['valid'].sum())} of {grouped(fits['points'].sum())} fits ({100 * share:.0f} %) carry no flag."
    ]
    values = [good(ring, "goodness").values.ravel() for ring in rings.values() if "goodness" in ring]
    all_values = np.concatenate(values) if values else np.array([])
    all_values = all_values[np.isfinite(all_values)]
    if all_values.size:
        low, middle, high = np.percentile(all_values, [16, 50, 84])
        found.append(
            f"Their reduced deviance has the median {middle:.2f} (68 % lie within {low:.2f} to {high:.2f}); "
            "counting noise alone gives 1."
        )
    else:
        found.append("No fit is valid, so nothing can be said of their quality.")
    reasons = {reason(c): int(fits[c].sum()) for c in fits.columns[3:] if fits[c].sum() > 0}
    if reasons:
        counted = [f"{name} {grouped(count)}" for name, count in sorted(reasons.items(), key=lambda r: -r[1])]
        found[0] += f" Reasons of the others: {listed(counted)}."
    return found


def positions_believed(table) -> str:
    """The largest deviation of a ring from its reference position in the first map."""
    if not len(table):
        return "No ring has a reference position to compare with."
    worst = table.iloc[table["deviation"].abs().to_numpy().argmax()]
    size = deviation(worst["deviation"], worst["deviation_err"])
    return (
        f"Where each ring is first seen, it lies within {number(abs(worst['deviation']), 2)} × 10⁻⁴ of the position "
        f"calculated from the stated cells; the farthest is {worst['series']} ({size} × 10⁻⁴)."
    )


def deviation(value: float, error: float) -> str:
    """A deviation with its error; to two digits where a single point gives none."""
    if np.isfinite(error) and error > 0:
        return with_error(value, error, sign=True)
    return ("+" if value > 0 else "") + number(value, 2)


def standard_believed(groups: dict[str, xr.Dataset]) -> str:
    """The distance that the ring of a standard tells, beside that of the geometry."""
    standard = groups.get("xrd/standard")
    if standard is None:
        return ""
    seen = mean(standard["distance"].values, standard["distance_err"].values)
    if not seen.valid:
        return f"The ring {standard.attrs['ring']} of the standard is seen in no map."
    given = standard.attrs["given_mm"]
    spread = number(float(np.nanstd(standard["distance"].values)), 2)
    return (
        f"By the ring {standard.attrs['ring']} of the standard the detector is "
        f"{with_error(seen.value, seen.error, 'mm')} away (mean of maps that scatter by {spread} mm); the geometry "
        f"says {number(given, 6)} mm, a relative difference of {number(1e4 * (seen.value / given - 1), 2)} × 10⁻⁴ that "
        "all spacings share."
    )


def clock_believed(experiment: dict, groups: dict[str, xr.Dataset]) -> str:
    """How the cycler was put on the clock of the maps."""
    clock = groups.get("clock")
    if not experiment.get("cycler"):
        return "No cycler was aligned."
    if clock is None or "voltage" not in clock:
        return "Cycler and detector share no absolute time, so they were not aligned."
    text = _offset(clock, experiment["cycler"].get("clock_offset_s", 0.0))
    late = [
        n
        for n in ("voltage", "current", "capacity")
        if f"{n}_flag" in clock and (clock[f"{n}_flag"].values != 0).any()
    ]
    if late:
        verb = "is" if len(late) == 1 else "are"
        return f"{text}; {listed(late)} {verb} missing or doubtful for some maps, see the flags of the group clock."
    return text + "; every map lies inside the cycler's record."


def _offset(clock: xr.Dataset, stated: float | str) -> str:
    """Offset and where it comes from."""
    source = str(clock.attrs.get("clock_source", "user"))
    value = float(clock.attrs.get("clock_offset_s", stated if isinstance(stated, int | float) else np.nan))
    if source == "user":
        return f"Cycler clock minus detector clock: {number(value)} s, as stated in the experiment file"
    size = with_error(value, float(clock.attrs.get("clock_offset_err_s", np.nan)), "s")
    return f"Cycler clock minus detector clock: {size}, found from {source}"
