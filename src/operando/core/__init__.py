"""The nouns, units and crystal geometry. Imports nothing of ours."""

from .cell import Beam, Cell, Layer
from .crystal import Phase, Reflection
from .digest import digest
from .errors import OperandoError
from .flags import Flag
from .frames import ArrayFrames, DeadCounted, FrameBlock, FrameRange, Frames
from .geometry import Geometry
from .grid import ScanGrid
from .scan import Scan
from .sums import Sums, merge

__all__ = [
    "ArrayFrames", "Beam", "Cell", "DeadCounted", "Flag", "FrameBlock", "FrameRange", "Frames", "Geometry", "Layer",
    "OperandoError", "Phase", "Reflection", "Scan", "ScanGrid", "Sums", "digest", "merge",
]  # fmt: skip
