"""Electrochemistry: the clock, cycles, differential capacity, transients, impedance, plating and the lithium balance.

Functions take the table of `read.cycler` (a Dataset over `record`) or plain arrays, and return Datasets.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Clock": "clock", "at": "clock",
    "current_events": "events", "find_clock": "events", "event_offsets": "events", "combine_offsets": "events",
    "steps": "cycling", "cycles": "cycling", "rate_capability": "cycling", "critical_current_density": "cycling",
    "branch": "differential", "differential_capacity": "differential", "differential_voltage": "differential",
    "voltage_noise": "differential", "ordering_point": "ordering", "lithium_content": "ordering",
    "faraday_thickness": "plating", "plated": "plating",
    "lithium_balance": "balance", "thin": "curves", "alignment": "curves", "nyquist": "curves", "summary": "curves",
    "film_diffusion": "transient", "cottrell": "transient", "sweep_onset": "transient",
    "kramers_kronig": "consistency", "fit_circuit": "circuits", "fit_series": "circuits",
    "circuit_impedance": "circuits", "choose_circuit": "guess",
    "fit_from_guess": "guess", "conductivity": "materials", "area_resistance": "materials",
    "arrhenius": "materials",
}  # fmt: skip

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
