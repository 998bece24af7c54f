"""Electrochemistry: the clock, cycles, differential capacity, transients, impedance, plating and the lithium balance.

Functions take the table of `read.cycler` (a Dataset over `record`) or plain arrays, and return Datasets.
"""

from __future__ import annotations

from operando.core.lazy import lazy

_HOME = {
    "clock": ["Clock", "at"],
    "events": ["current_events", "find_clock", "event_offsets", "combine_offsets"],
    "cycling": ["steps", "cycles", "rate_capability", "critical_current_density"],
    "differential": ["branch", "differential_capacity", "differential_voltage", "voltage_noise"],
    "ordering": ["ordering_point", "lithium_content"],
    "plating": ["faraday_thickness", "plated"],
    "balance": ["lithium_balance"],
    "curves": ["thin", "alignment", "nyquist", "summary"],
    "transient": ["film_diffusion", "cottrell", "sweep_onset"],
    "consistency": ["kramers_kronig"],
    "circuits": ["fit_circuit", "fit_series", "circuit_impedance"],
    "guess": ["choose_circuit", "fit_from_guess"],
    "materials": ["conductivity", "area_resistance", "arrhenius"],
}

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
