"""Tables of the experiment file, one module a technique."""

from .base import Section
from .cell import CellSection, LayerSection, PhaseSection
from .compton import ComptonSection
from .cycler import CyclerSection, ImpedanceSection
from .ebsd import EbsdSection
from .epitaxy import EpitaxySection
from .film_model import FilmModelSection
from .lithium import LithiumSection
from .segmentation import SegmentationSection
from .symmetric_model import SymmetricModelSection
from .tomography import TomographySection
from .transport import TransportSection
from .xrd import GridSection, RingSection, XrdSection

__all__ = [
    "CellSection", "ComptonSection", "CyclerSection", "EbsdSection", "EpitaxySection", "FilmModelSection",
    "GridSection", "ImpedanceSection", "LayerSection", "LithiumSection", "PhaseSection", "RingSection",
    "Section", "SegmentationSection", "SymmetricModelSection", "TomographySection", "TransportSection", "XrdSection",
]  # fmt: skip
