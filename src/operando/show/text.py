"""Numbers and units as people write them."""

from __future__ import annotations

import math
import re

import numpy as np

UNITS = {
    "angstrom": "Å", "1/angstrom": "Å⁻¹", "um": "µm", "um2": "µm²", "um3": "µm³", "degree": "°",
    "degrees": "°", "deg": "°", "1": "", "": "", "dimensionless": "",
    "counts": "counts", "umol/cm2": "µmol/cm²", "mA/cm2": "mA/cm²", "mAh/cm2": "mAh/cm²",
}  # fmt: skip
PREFIXES = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k"}
MINUS = "\u2212"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def pretty(units: str | None) -> str:
    """A unit as printed: `1/angstrom` becomes Å⁻¹."""
    return UNITS.get(units or "", (units or "").replace("/angstrom", "/Å"))


def axis_label(name: str, units: str | None) -> str:
    """`name / unit`, or the name alone for a pure number."""
    unit = pretty(units)
    return f"{name} / {unit}" if unit else name


def number(value: float, digits: int = 3) -> str:
    """A value to some significant digits, without exponent where it can be helped."""
    if not np.isfinite(value):
        return "no value"
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    if abs(value) < 1e-4:
        return exponent(value, digits - 1)
    while (
        decimals
        and round(value, decimals) == round(value, decimals - 1)
        and abs(value - round(value, decimals)) < 1e-9
    ):
        decimals -= 1  # an exact value needs no zeros behind it
    return grouped(round(value, decimals), decimals)


def exponent(value: float, decimals: int) -> str:
    """`6.5 × 10⁻⁵`."""
    mantissa, _, power = f"{value:.{decimals}e}".partition("e")
    return f"{mantissa.replace('-', MINUS)} × 10{str(int(power)).translate(RAISED)}"


def grouped(value: float, decimals: int = 0) -> str:
    """A number with thin spaces between thousands and a real minus sign."""
    return f"{value:,.{decimals}f}".replace(",", "\u202f").replace("-", MINUS)


def with_error(value: float, error: float, unit: str = "", *, sign: bool = False) -> str:
    """`14.132 ± 0.004 Å`: the error to two digits when they begin with 1, else one, and the value to match."""
    unit = pretty(unit)
    tail = f" {unit}" if unit and unit != "°" else unit
    if not np.isfinite(value):
        return "no valid value"
    plus = "+" if sign and value > 0 else ""
    if not np.isfinite(error) or error <= 0:
        return f"{plus}{number(value, 4)}{tail} (no error known)"
    power = math.floor(math.log10(error))
    decimals = -power + (1 if error / 10**power < 1.95 else 0)
    if decimals < 0:
        value, error, decimals = round(value, decimals), round(error, decimals), 0
    return f"{plus}{grouped(value, decimals)} ± {grouped(error, decimals)}{tail}"


def scaled(values, unit: str) -> tuple[np.ndarray, str]:
    """Values in the SI prefix that makes the largest lie between 1 and 1000: (2e-6, "A") becomes (2, "µA")."""
    values = np.asarray(values, float)
    base = {"mAh": ("Ah", 1e-3), "mA": ("A", 1e-3), "mV": ("V", 1e-3)}.get(unit)
    name, factor = base if base else (unit, 1.0)
    finite = np.abs(values[np.isfinite(values)]) * factor
    largest = finite.max(initial=0.0)
    power = 0 if largest == 0 else int(np.clip(3 * math.floor(math.log10(largest) / 3 + 1e-9), -9, 3))
    return values * factor / 10.0**power, PREFIXES[power] + name


def time_unit(seconds) -> tuple[float, str]:
    """Divisor and unit in which a range of seconds reads well."""
    seconds = np.asarray(seconds, float)
    finite = seconds[np.isfinite(seconds)]
    span = float(np.ptp(finite)) if finite.size else 0.0
    if span < 180:
        return 1.0, "s"
    return (60.0, "min") if span < 3 * 3600 else (3600.0, "h")


def duration(seconds: float) -> str:
    """`54 min`, `3.2 h`, `12 s`."""
    if not np.isfinite(seconds):
        return "unknown"
    if abs(seconds) < 180:
        return f"{number(seconds, 2 if abs(seconds) < 10 else 3)} s"
    return f"{seconds / 60:.0f} min" if abs(seconds) < 3 * 3600 else f"{seconds / 3600:.1f} h"


def plural(count: int, noun: str, many: str | None = None) -> str:
    """A count with its noun: `1 map`, `2 maps`."""
    return f"{grouped(count)} {noun if count == 1 else many or noun + 's'}"


def listed(items) -> str:
    """`a, b and c`."""
    items = [str(item) for item in items]
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""


def tied(text: object) -> str:
    """A sentence whose numbers stay on one line with their error and unit."""
    text = re.sub(r" ± ", "\u00a0±\u00a0", str(text))
    text = re.sub(
        r"(?<=\d) (?=[%°ÅµΩσ]|(?:nm|mm|cm|min|h|s|d|mV|V|mA|nA|A|mAh|Ah|keV|eV|px|GPa|mS/cm|counts)\b)",
        "\u00a0",
        text,
    )
    return re.sub(r" × 10(?=[⁻⁰¹²³⁴⁵⁶⁷⁸⁹])", "\u00a0×\u00a010", text).replace("/Å", "/\u2060Å")


def reason(flag_name: str) -> str:
    """A flag's name as words."""
    return {
        "no_data": "no frame or no live pixel", "too_few_counts": "too few counts",
        "window_edge": "peak at the window's edge",
        "cut_by_gap": "cut by a detector gap or shadow", "not_converged": "fit did not converge",
        "monitor_lost": "beam monitor lost", "poor_fit": "poor fit", "outside_calibration": "outside the calibration",
        "saturated": "detector saturated", "before_record": "before the cycler began",
        "after_record": "after the cycler ended",
    }.get(flag_name, flag_name.replace("_", " "))  # fmt: skip
