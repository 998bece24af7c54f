"""CoinCell: every setting of the coin cell under Compton imaging, physics and instrument, with units in the names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from operando.core.errors import InputError


@dataclass(frozen=True)
class State:
    """One state of charge: mean Li content of the cathode, and what the instrument did meanwhile.

    x            x in LixNi0.6Mn0.2Co0.2O2, mean over the cathode by mass
    reference    the analysis is told x of this state; x is the same all over it
    angle_deg    how far the detector has moved, in scattering angle
    scale        relative change of the energy scale (keV a channel)
    """

    name: str
    x: float
    hour: float = 0.0
    reference: bool = False
    angle_deg: float = 0.0
    scale: float = 0.0


#: the slow cycle of the paper's table 1, between two references of known content
SLOW = (
    State("reference, lithiated", 1.01, 0.0, True),
    State("pristine", 1.01, 2.0, False, 0.05, 0.0003),
    State("charging", 0.93, 5.0, False, -0.10, -0.0004),
    State("end of charge", 0.26, 11.0, False, 0.30, 0.0010),
    State("discharging", 0.57, 16.0, False, 0.20, 0.0006),
    State("end of discharge", 0.91, 21.0, False, -0.20, -0.0008),
    State("reference, delithiated", 0.26, 24.0, True),
)


@dataclass(frozen=True)
class CoinCell:
    """A Li, polymer, NMC622 coin cell in a sheet beam, seen from above through a pinhole by a pixelated spectrometer.

    The beam goes along +y, z is up (towards the detector), x to the right looking downstream. z = 0 is the bottom of
    the cathode. Source of the default numbers: Huang et al., J. Phys. Energy 7 (2025) 025009; the distance of the
    pinhole, flux, porosity and the sizes of the discs are not in print and are chosen.
    """

    title: str = "Li, PEO, NMC622: first cycle"
    seed: int = 1
    states: tuple[State, ...] = SLOW
    start: str = "2025-03-04T08:00:00+00:00"

    # beam
    energy_keV: float = 115.0
    flux_per_s_mm2: float = 1.0e10
    polarisation: float = 0.95  # horizontal, so that little is lost towards a detector above the sample
    sheet_um: float = 250.0
    exposure_s: float = 1800.0  # for each region of each state
    beam_loss: float = 0.02  # of the flux, from the first to the last exposure; the monitor sees it

    # pinhole and detector
    angle_deg: float = 90.0
    pinhole_mm: float = 0.2
    distance_mm: float = 100.0  # sheet to pinhole, and pinhole to detector
    pixels: int = 80
    pitch_mm: float = 0.25
    channels: int = 4096
    keV_per_channel: float = 0.04
    resolution_keV: float = 0.8  # FWHM
    sensor_mm: float = 2.0  # CdZnTe
    shelf: float = 0.02  # share of events that lose part of their charge
    gain_spread: float = 0.004  # relative, 1 sigma
    offset_spread_keV: float = 0.15
    dead: float = 0.005  # share of pixels
    noisy: float = 0.003
    dark_per_keV_h: float = 0.02  # counts a pixel
    lines: tuple[tuple[str, float], ...] = (
        ("Cd", 0.06),
        ("Te", 0.07),
        ("W", 0.10),
        ("Pb", 0.08),
    )  # of the mean rate
    multiple: float = 0.04  # photons scattered twice for each scattered once, where the sample is

    # cell (um, mm), from the bottom up; the steel of can, spacer and lid is in the way of the photons
    cathode_um: float = 65.0
    separator_um: float = 30.0
    anode_um: float = 600.0
    lid_um: float = 300.0
    wall_um: float = 250.0
    cathode_radius_mm: float = 6.0
    cathode_centre_mm: tuple[float, float] = (0.6, -0.4)  # x, y
    cathode_flat_mm: float = 4.6  # a straight cut at this distance from its centre, on the side of +x
    separator_radius_mm: float = 8.0
    anode_radius_mm: float = 7.5
    can_radius_mm: float = 9.7
    cathode_g_cm3: float = 2.97
    separator_g_cm3: float = 1.25
    anode_g_cm3: float = 0.534
    waviness_um: float = 4.0  # of the cathode's upper side, amplitude
    separator_waviness_um: float = 2.0
    region2_um: float = 72.0  # bottom of the sheet in region 2: above the highest cathode
    region3_um: float = 130.0  # anode alone
    li_electron: Literal["Li 2s", "O 2p"] = "Li 2s"  # where the electron of an intercalated Li is
    lateral: float = 0.12  # amplitude of the change of x over the cathode, per unit of x extracted

    # what tomography sees of it: the labels are turned and shifted
    tomogram_um: tuple[float, float] = (125.0, 5.0)  # lateral voxel, vertical voxel
    tomogram_turn_deg: float = 3.0
    tomogram_shift_mm: tuple[float, float] = (0.30, -0.45)

    def __post_init__(self) -> None:
        if self.pixels < 2 or self.channels < 16:
            raise InputError("at least 2 x 2 pixels and 16 channels are needed", where="CoinCell")
        if not self.states:
            raise InputError("no states of charge", where="CoinCell", fix="Give a tuple of State.")
        if self.region3_um < self.cathode_um + self.waviness_um + self.separator_um:
            raise InputError("region 3 must hold the anode alone", where="CoinCell", fix="Raise region3_um.")
        if self.region3_um + self.sheet_um > self.anode_um + self.cathode_um:
            raise InputError(
                "the sheet of region 3 leaves the anode", where="CoinCell", fix="Lower region3_um."
            )

    @property
    def regions_um(self) -> tuple[float, float, float]:
        """Bottom of the sheet in regions 1 (cathode, separator, anode), 2 (separator, anode) and 3 (anode)."""
        return 0.0, self.region2_um, self.region3_um

    @classmethod
    def paper(cls, **changes: Any) -> CoinCell:
        """80 x 80 pixels of 4096 channels, seven states, three heights: the experiment of the paper."""
        return replace(cls(), **changes)

    @classmethod
    def demo(cls, **changes: Any) -> CoinCell:
        """40 x 40 pixels of 1024 channels at ten times the flux: seconds to make."""
        small = cls(
            title="Li, PEO, NMC622: first cycle (simulated)", pixels=40, pitch_mm=0.5, channels=1024,
            keV_per_channel=0.14, flux_per_s_mm2=5e10, pinhole_mm=0.4, tomogram_um=(250.0, 5.0),
        )  # fmt: skip
        return replace(small, **changes)

    @classmethod
    def tiny(cls, **changes: Any) -> CoinCell:
        """16 x 16 pixels of 1024 channels: for tests, well under a second."""
        small = cls.demo(pixels=16, pitch_mm=1.25, tomogram_um=(625.0, 5.0), dead=0.0, noisy=0.0)
        return replace(small, **changes)
