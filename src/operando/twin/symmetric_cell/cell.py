"""SymmetricCell: every setting of the lithium, solid electrolyte, lithium twin, with units in the names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from operando.core.errors import InputError


@dataclass(frozen=True)
class SymmetricCell:
    """A steel, Li, solid electrolyte, Li, steel pellet, and the way it is imaged in time.

    z goes up through the stack, the film lies along x, the beam goes along y at theta = 0. Arrays are (z, y, x), all
    growing. Positive current strips the top electrode and plates the bottom one. Pairs are (bottom, top). A pattern
    has mean 1 over the sample. Lateral positions are measured from the rotation axis, heights from the lower face of
    the lowest voxel.
    Source of the default numbers: Lewis et al., Nat. Mater. 20, 503 (2021), Li, Li10SnP2S12, Li at 28 keV.
    """

    title: str = "Li, Li10SnP2S12, Li: one cycle"
    seed: int = 1

    # volume
    width: int = 2450  # voxels along x and y
    height: int = 820  # voxels along z
    voxel_um: float = 1.7
    subsample: int = 1  # sub-columns a voxel along x and along y
    diameter_um: float | None = 2000.0  # None: a block cut from a larger cell
    casing_um: float = 100.0  # polymer around the pellet; 0: none

    # stack (um), from below; means over the sample at the start
    electrolyte: Literal["sulfide", "oxide"] = "sulfide"
    steel_um: float = 150.0  # below the lower electrode
    lithium_um: tuple[float, float] = (150.0, 150.0)
    interphase_um: tuple[float, float] = (8.0, 8.0)
    electrolyte_um: float = 600.0
    steel_roughness_um: float = 0.5  # R_a
    roughness_um: tuple[float, float] = (2.1, 5.0)  # R_a of the electrode interfaces
    roughness_correlation_um: float = 30.0  # the autocorrelation is exp(-(r / this)^2)

    # electrolyte
    porosity: float = 0.06
    pore_radius_um: float = 3.0  # median; log-normal, cut at 1.75 times it
    pore_spread: float = 0.35  # sigma of the logarithm of the radius
    pore_margin_um: float = 4.0  # no pore comes nearer to the first surfaces of the electrolyte
    grain_um: float = 14.0  # mean distance of grains
    grain_contrast: float = 0.03  # standard deviation of the relative density of grains
    boundary_contrast: float = 0.10  # relative loss of density at a grain boundary
    boundary_um: float = 1.5
    compression_um_per_mAh_cm2: float = 0.2  # of the electrolyte, by passed charge

    # voids between lithium and interphase
    contact_start: tuple[float, float] = (0.75, 0.70)
    contact_loss: float = 0.12  # share of the area, a mAh/cm2 stripped
    contact_gain: float = 0.05  # share of the area, a mAh/cm2 plated
    contact_least: float = 0.05
    void_um: float = 7.0  # thickness in the middle of a large void
    void_edge_um: float = 2.5  # thickness at its rim
    void_correlation_um: float = 22.0
    void_wander: float = 0.05  # radian a mAh/cm2 passed: contact moves while its area stays

    # charge
    current_mA_cm2: float = 1.0
    area_cm2: float | None = None  # None: of the sample
    rest_s: float = 600.0
    half_cycle_s: float = 18000.0  # then the current is reversed, until the end
    stripping_fraction: float = 0.72  # share of the charge that comes from Li metal at the stripped electrode
    plating_fraction: float = (
        0.50  # share that becomes Li metal at the plated electrode; the rest grows interphase
    )
    interphase_um_per_mAh_cm2: float = 9.0  # growth by the charge that goes into it
    interphase_li_cm3_mol: float = 6.0  # partial molar volume of Li in the interphase
    interphase_ripple: float = 0.15  # relative standard deviation of its thickness
    interphase_correlation_um: float = 60.0
    current_ripple: float = 0.10  # relative standard deviation of the local current density
    current_correlation_um: float = 60.0
    current_dome: float = 0.10  # relative rise in the middle
    hot_spot_gain: float = 0.0  # current density of the hot spot over the nominal one; 0: none
    hot_spot_um: tuple[float, float] = (20.0, -15.0)  # x, y
    hot_spot_sigma_um: float = 12.0

    # scans
    scans: int = 40
    scan_period_s: float = 900.0
    start: str = "2025-03-04T22:17:03+01:00"  # of the first scan
    drift_um_per_h: tuple[float, float, float] = (0.0, 0.0, 0.0)  # x, y, z of the whole sample
    cycler_step_s: float = 10.0
    cycler_lead_s: float = 120.0  # the cycler starts before the first scan
    clock_offset_s: float = 0.0  # cycler clock minus detector clock

    # beam and detector
    energy_keV: float = 28.0
    distance_mm: float = 100.0  # sample to detector
    projections: int = 1500
    flats: int = 20  # before and again after
    darks: int = 20
    exposure_s: float = 0.21
    detector_columns: int | None = None  # None: as many as the volume is wide
    photons: float = 20000.0  # a pixel of a flat, mean
    counts_per_photon: float = 1.0
    dark_counts: float = 100.0
    read_noise_counts: float = 2.0
    blur_px: float = 0.6  # sigma of the detector's point spread
    flat_structure: float = 0.15  # relative amplitude of horizontal bands and spots of the flat
    beam_loss: float = 0.03  # relative, from the first to the last frame of a scan
    beam_drift_px: float = 1.0  # vertical, from the first to the last frame of a scan
    ring_gain: float = 0.01  # relative, of pixels whose gain differs between flats and projections
    ring_share: float = 0.03  # of all columns
    centre_offset_px: float = 3.3  # axis to the right of the middle of the detector
    angle_jitter_deg: float = 0.005
    axis_jitter_px: float = 0.02
    dead_columns: tuple[int, ...] = ()
    zingers_per_frame: float = 0.5
    row_0: Literal["bottom", "top"] = "bottom"  # of the stored images

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.scans, self.subsample, self.projections) < 1:
            raise InputError(
                "width, height, subsample, scans and projections must be at least 1", where="SymmetricCell"
            )
        if self.diameter_um is not None and self.outer_um > self.width * self.voxel_um:
            raise InputError(
                f"the cell is {self.outer_um:g} um wide, the volume {self.width * self.voxel_um:g} um",
                where="SymmetricCell", fix="Give a smaller diameter_um or casing_um, or a larger width.",
            )  # fmt: skip
        if self.scan_s > self.scan_period_s:
            raise InputError(
                f"a scan takes {self.scan_s:.0f} s, longer than scan_period_s = {self.scan_period_s:.0f}",
                where="SymmetricCell", fix="Give a longer scan_period_s, fewer projections or a shorter exposure.",
            )  # fmt: skip
        if self.stack_um >= self.height * self.voxel_um:
            raise InputError(
                f"the stack needs {self.stack_um:g} um, the volume is {self.height * self.voxel_um:g} um high",
                where="SymmetricCell", fix="Give thinner layers or more height.",
            )  # fmt: skip

    @property
    def outer_um(self) -> float:
        """Diameter with the casing."""
        return (self.diameter_um or 0.0) + 2 * self.casing_um

    @property
    def stack_um(self) -> float:
        """From the floor of the volume to the upper collector, at the start."""
        return self.steel_um + sum(self.lithium_um) + sum(self.interphase_um) + self.electrolyte_um

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) of a volume."""
        return self.height, self.width, self.width

    @property
    def columns(self) -> int:
        """Pixels of a projection along x."""
        return self.detector_columns or self.width

    @property
    def frames(self) -> int:
        """Frames of one scan: darks, flats, projections, flats."""
        return self.darks + 2 * self.flats + self.projections

    @property
    def scan_s(self) -> float:
        """Time that one scan takes."""
        return self.frames * self.exposure_s

    @property
    def started_s(self) -> float:
        """Start of the first scan, seconds since the epoch (UTC)."""
        return datetime.fromisoformat(self.start).timestamp()

    @property
    def centre_px(self) -> float:
        """Rotation axis on the detector: 0 is the middle of the first column."""
        return (self.columns - 1) / 2 + self.centre_offset_px

    def block(self, **changes: Any) -> SymmetricCell:
        """The same cell as a block that fills the volume: for volumes without air, not for projections."""
        return replace(self, diameter_um=None, casing_um=0.0, **changes)

    @classmethod
    def paper(cls, **changes: Any) -> SymmetricCell:
        """2450 x 2450 x 820 voxels, 1500 projections, 40 scans: the experiment of the paper. Hours, 20 GB a scan."""
        return replace(cls(), **changes)

    @classmethod
    def demo(cls, **changes: Any) -> SymmetricCell:
        """Four scans of 128 x 128 x 96 voxels and 181 projections: seconds to make."""
        small = cls(
            title="Li, Li10SnP2S12, Li: one cycle (simulated)", width=128, height=96, subsample=3, diameter_um=190.0,
            casing_um=8.0, steel_um=12.0, lithium_um=(28.0, 28.0), interphase_um=(5.0, 5.0), electrolyte_um=62.0,
            roughness_um=(1.2, 2.0), current_mA_cm2=2.0, rest_s=900.0, half_cycle_s=3600.0, scans=4,
            scan_period_s=1800.0, projections=181, distance_mm=40.0,
        )  # fmt: skip
        return replace(small, **changes)

    @classmethod
    def tiny(cls, **changes: Any) -> SymmetricCell:
        """Two scans of 64 x 64 x 64 voxels and 91 projections: for tests, about a second."""
        small = cls.demo(
            width=64, height=64, diameter_um=90.0, casing_um=5.0, steel_um=10.0, lithium_um=(18.0, 18.0),
            interphase_um=(4.0, 4.0), electrolyte_um=40.0, roughness_um=(1.0, 1.2), roughness_correlation_um=20.0,
            scans=2, current_correlation_um=40.0, interphase_correlation_um=40.0, void_um=5.0,
            hot_spot_um=(10.0, -8.0), hot_spot_sigma_um=10.0, projections=91, flats=5, darks=5,
        )  # fmt: skip
        return replace(small, **changes)

    @classmethod
    def oxide(cls, **changes: Any) -> SymmetricCell:
        """The demo with dense Li7La3Zr2O12 at 76.2 keV, almost no interphase and small currents."""
        small = cls.demo(
            title="Li, Li7La3Zr2O12, Li: one cycle (simulated)", electrolyte="oxide", energy_keV=76.2,
            porosity=0.04, pore_radius_um=2.2, grain_um=10.0, interphase_um=(0.5, 0.5), stripping_fraction=1.0,
            plating_fraction=1.0, boundary_contrast=0.03, grain_contrast=0.01, distance_mm=150.0,
        )  # fmt: skip
        return replace(small, **changes)
