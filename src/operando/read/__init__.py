"""Raw files to nouns: one module a format, no processing. Every file is opened read-only and never locked.

h5py, fabio and other heavy packages are imported by the functions that use them.
"""

# imported here, not on use: a function that has the name of its module must be bound after the module was loaded
from .bdf import write_bdf
from .cycler import cycler
from .ebsd import orientation_map
from .hexitec import hexitec_frames, hexitec_histogram, nexus_spectra
from .hexitec_lists import hexitec_events
from .impedance import impedance as impedance_spectra
from .inspect import inspect
from .inspection import Inspection
from .label_volume import read_label_volume
from .projections import open_projections
from .scans import open_scans

__all__ = [
    "Inspection", "cycler", "hexitec_events", "hexitec_frames", "hexitec_histogram", "impedance_spectra", "inspect",
    "nexus_spectra", "open_projections", "open_scans", "orientation_map",
    "read_label_volume", "write_bdf",
]  # fmt: skip
