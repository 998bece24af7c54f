"""Figures of impedance: Nyquist, Bode, Kramers-Kronig residuals, and resistances by state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.ticker import MaxNLocator

from ..style import PAPER, RULE, SERIES, Exhibit, chosen, panel, sheet, styled
from ..text import PREFIXES, listed

MOST = len(SERIES)


def by_file(spectra: dict[str, xr.Dataset]) -> dict[str, dict[str, xr.Dataset]]:
    """Spectra by the file that they are from."""
    found: dict[str, dict[str, xr.Dataset]] = {}
    for name, spectrum in spectra.items():
        found.setdefault(str(spectrum.attrs.get("source", "")), {})[name.split("/")[-1]] = spectrum
    return found


@styled
def impedance(number: int, spectra: dict[str, xr.Dataset]) -> Exhibit:
    """Nyquist and Bode of the spectra of one file (six at most), with the fitted circuit and what is left over."""
    names = list(spectra)
    shown = [names[i] for i in chosen(len(names), MOST)]
    factor, unit = _prefix([spectra[n] for n in shown])
    figure = sheet(3.75)
    nyquist = panel(figure, 0.75, 0.45, 3.0, 3.1)
    modulus, phase = panel(figure, 4.55, 2.65, 2.9, 0.9), panel(figure, 4.55, 1.55, 2.9, 0.9)
    left_over = panel(figure, 4.55, 0.45, 2.9, 0.9)
    tables = []
    for name, colour in zip(shown, SERIES, strict=False):
        one = spectra[name].sortby("frequency")
        f, z = one["frequency"].values, (one["z_re"].values + 1j * one["z_im"].values) * factor
        fit = (one["z_re_fit"].values + 1j * one["z_im_fit"].values) * factor
        label = f"{name}" + (f": {one.attrs['voltage']:.3f} V" if "voltage" in one.attrs else "")
        dots: dict[str, Any] = {"ls": "", "marker": "o", "ms": 3, "mfc": PAPER, "mec": colour, "mew": 0.8}
        nyquist.plot(z.real, -z.imag, label=label, **dots)
        nyquist.plot(fit.real, -fit.imag, color=colour, lw=1)
        modulus.semilogx(f, np.abs(z), **dots)
        modulus.semilogx(f, np.abs(fit), color=colour, lw=1)
        phase.semilogx(f, np.degrees(np.angle(z)), **dots)
        phase.semilogx(f, np.degrees(np.angle(fit)), color=colour, lw=1)
        left_over.semilogx(f, 100 * one["residual_re"].values, color=colour, lw=0.9)
        left_over.semilogx(f, 100 * one["residual_im"].values, color=colour, lw=0.9, ls=(0, (3, 1.5)))
        columns = ["z_re", "z_im", "z_re_fit", "z_im_fit", "residual_re", "residual_im"]
        tables.append(
            pd.DataFrame({"spectrum": name, "frequency (Hz)": f} | {c: one[c].values for c in columns})
        )
    _dress(nyquist, modulus, phase, left_over, unit)
    if len(shown) > 1 or "voltage" in spectra[shown[0]].attrs:
        nyquist.legend(loc="best", handletextpad=0.2)
    some = "" if len(shown) == len(names) else f" {len(shown)} of {len(names)} spectra are drawn."
    file = Path(str(spectra[names[0]].attrs.get("source", ""))).name
    circuits = listed(dict.fromkeys(str(spectra[n].attrs["circuit"]) for n in shown))
    return Exhibit(
        f"impedance-{number}", f"Impedance: {file}",
        f"Left: Nyquist plot in equal aspect, measured (circles) and fitted circuit {circuits} (lines). Right: |Z|, "
        "phase, and the residuals of the Kramers-Kronig test as share of |Z| (real part: line, imaginary: dashed); a "
        f"linear, steady and causal cell leaves less than about 1 % without a trend.{some}",
        f"Nyquist and Bode plots of {file}.", figure, pd.concat(tables),
    )  # fmt: skip


def _prefix(spectra: list[xr.Dataset]) -> tuple[float, str]:
    largest = max(float(np.nanmax(np.hypot(s["z_re"].values, s["z_im"].values))) for s in spectra)
    power = int(np.clip(3 * np.floor(np.log10(max(largest, 1e-30)) / 3), -6, 3))
    return 10.0**-power, PREFIXES[power] + "Ω"


def _dress(nyquist, modulus, phase, left_over, unit: str) -> None:
    nyquist.set_aspect("equal", adjustable="datalim")
    nyquist.axhline(0, color=RULE, lw=0.6, zorder=0)
    nyquist.set(xlabel=f"Re Z / {unit}", ylabel=f"−Im Z / {unit}")
    sizes = np.concatenate([line.get_ydata() for line in modulus.lines])
    if sizes.max() > 10 * sizes.min():
        modulus.set_yscale("log")
    modulus.set_ylabel(f"|Z| / {unit}")
    phase.set_ylabel("phase / °")
    left_over.axhline(0, color=RULE, lw=0.6, zorder=0)
    left_over.set(xlabel="frequency / Hz", ylabel="KK residual / %")
    for axes in (modulus, phase):
        axes.tick_params(labelbottom=False)
    for axes in (modulus, phase, left_over):
        axes.yaxis.set_label_coords(-0.19, 0.5)
        axes.minorticks_off()


@styled
def resistances(number: int, found: xr.Dataset) -> Exhibit:
    """Resistances of the spectra in order, or against the voltage where it is known and changes."""
    voltage = found["voltage"].values if "voltage" in found else np.array([np.nan])
    known = np.isfinite(voltage).all() and np.ptp(voltage) > 0.05
    x = voltage if known else np.arange(found.sizes["spectrum"]) + 1
    figure = sheet(2.5)
    table: dict[str, np.ndarray] = {"voltage (V)" if known else "spectrum": x}
    labels = {"series": f"{found.attrs.get('bulk', 'R0')}", "interface": "other resistances"}
    for place, (name, label) in enumerate(labels.items()):
        axes = panel(figure, 0.75 + 3.75 * place, 0.45, 2.9, 1.8)
        axes.errorbar(
            x, found[name].values, found[f"{name}_err"].values, fmt="o", color=SERIES[place], ms=3.5, mfc=PAPER,
            elinewidth=0.8, capsize=0,
        )  # fmt: skip
        axes.set(xlabel="voltage / V" if known else "spectrum", ylabel=f"{label} / Ω")
        if not known:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(0.08)
        table |= {f"{name} (Ohm)": found[name].values, f"{name}_err (Ohm)": found[f"{name}_err"].values}
    return Exhibit(
        f"resistances-{number}", f"Resistances by state: {found['source'].values[0]}",
        "The resistance in series (electrolyte) and the sum of all others (interfaces, charge transfer), 1σ errors of "
        "the fit with the correlations of its parameters. What could not be determined is left out.",
        "Points of resistance with error bars.", figure, pd.DataFrame(table),
    )  # fmt: skip
