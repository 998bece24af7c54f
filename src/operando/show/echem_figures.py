"""Figures of a cycler record and of impedance, for the report and for the page of its own."""

from __future__ import annotations

from . import echem_tables
from .figures import echem, impedance
from .style import Exhibit


def cycle_figures(groups) -> list[Exhibit]:
    """Capacity by cycle, where there are some."""
    known = groups.get("echem/cycles")
    return [echem.cycles(known)] if known is not None and known.sizes["cycle"] > 2 else []


def differential_figures(groups) -> list[Exhibit]:
    """dQ/dV and dV/dQ, where they apply."""
    return [echem.differential(groups)] if any(name.startswith("echem/dqdv_") for name in groups) else []


def impedance_figures(groups) -> list[Exhibit]:
    """Nyquist and Bode of each file, and the resistances where there are several spectra."""
    files = impedance.by_file(echem_tables.spectra(groups))
    exhibits = []
    for number, spectra in enumerate(files.values(), 1):
        exhibits.append(impedance.impedance(number, spectra))
        if len(spectra) > 1:
            which = [int(name) - 1 for name in spectra]
            exhibits.append(
                impedance.resistances(number, groups["impedance/resistances"].isel(spectrum=which))
            )
    return exhibits
