"""Results: what a run leaves behind, in memory. `store` writes and reads it as NeXus."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, field
from typing import Any

import xarray as xr


@dataclass
class Process:
    """One step of how the results were made: an NXprocess."""

    name: str
    version: str
    seconds: float
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    detail: str = ""


@dataclass
class Results:
    """Groups of labelled arrays (see docs/decisions/0002) with everything needed to make them again."""

    title: str
    experiment: dict[str, Any]
    groups: dict[str, xr.Dataset]
    processes: list[Process] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)
    command: str = ""

    def record(self) -> dict[str, Any]:
        """All but the arrays, as plain data."""
        return {
            "title": self.title, "experiment": self.experiment, "notes": self.notes, "machine": self.machine,
            "command": self.command, "processes": [asdict(process) for process in self.processes],
        }  # fmt: skip


PACKAGES = ("numpy", "numba", "xarray", "h5py", "hdf5plugin", "pyFAI", "scipy")


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, and the versions that made the numbers."""
    from importlib.metadata import PackageNotFoundError, version

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "absent"

    return {
        "cpu": _processor(), "cores": len(os.sched_getaffinity(0)),
        "memory_gb": _memory_gb(), "system": platform.platform(), "python": platform.python_version(),
        "operando": of("operando"), "packages": {package: of(package) for package in PACKAGES},
    }  # fmt: skip


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
