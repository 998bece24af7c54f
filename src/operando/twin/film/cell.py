"""FilmCell: every setting of the thin-film twin, physics and scan, with units in the names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from operando.core.errors import InputError


@dataclass(frozen=True)
class FilmCell:
    """A thin-film LiCoO2, LiPON, (Li), Ti, Au, parylene cell and the way it is scanned.

    Times are seconds since the start of the first map unless they are durations. Lengths along z are measured from
    the lowest row of the map (`z` grows from substrate to surface); the sample stands still but for `drift_um_per_h`.
    Source of the default numbers: Jacquet, Cele et al., operando micro-XRD of an all-solid-state micro-battery.
    """

    title: str = "LCO, LiPON, Ti: first cycle"
    seed: int = 1

    # scan
    rows: int = 49
    columns: int = 49
    maps: int = 100
    step_z_um: float = 1.0
    step_x_um: float = 33.0
    order: Literal["same", "snake"] = "same"
    exposure_s: float = 0.05
    row_overhead_s: float = 3.0
    map_period_s: float = 300.0
    start: str = "2025-03-04T22:17:03+01:00"

    # beam
    energy_keV: float = 18.0
    beam_z_fwhm_um: float = 1.0
    polarisation: float = 0.99
    beam_ripple: float = 0.01  # relative amplitude of the slow change of the incoming beam
    beam_loss_per_h: float = 0.005
    monitor_counts: float = 200_000.0  # of the diode behind the sample, per exposure, without sample
    mean_counts: float = 1.0  # per live pixel, mean over the first map

    # detector
    detector: str | None = "Eiger4M"  # a pyFAI detector name, or None for a plain one of the next four lines
    shape: tuple[int, int] = (2167, 2070)
    pixel_um: float = 75.0
    module: tuple[int, int] = (0, 0)  # rows, columns between gaps; 0: no gap
    gap: tuple[int, int] = (0, 0)
    distance_m: float = 0.1386
    beam_x_px: float = 1095.0  # PONI, from the left edge, looking downstream
    beam_z_px: float = 1067.0  # PONI, from the lower edge
    rot1_deg: float = 0.3
    rot2_deg: float = -0.2
    orientation: int = 2  # of the stored image: row 0 at the top, column 0 at the left, looking downstream
    beam_stop_q: float = 0.55  # 1/angstrom
    shadow_azimuth_deg: tuple[float, float] = (200.0, 360.0)
    shadow_transmission: float = 0.7

    # stack (um), from the substrate up
    lco_bottom_um: float = 4.0
    lco_um: float = 20.0
    lipon_um: float = 4.0
    ti_um: float = 0.5
    au_um: float = 1.0
    parylene_um: float = 6.0
    interface_um: float = 0.15  # roughness (sigma) of every interface
    bending_um_per_um: float = 0.12  # sigma of the collector's height inside one beam, a um of plated Li
    plating_unevenness: float = 0.06  # relative, along x
    drift_um_per_h: float = 0.0
    area_cm2: float = 0.007

    # protocol
    initial_rest_s: float = 900.0
    charge_s: float = 8280.0
    half_charge_s: float = 2700.0  # the current is constant until half of the charge has passed
    charge_mAh_cm2: float = 1.4
    discharge_mA_cm2: float = 2.0e-3 / 0.007
    discharge_mAh_cm2: float = 0.77
    clock_offset_s: float = 0.0  # cycler clock minus detector clock
    clock_drift: float = 0.0  # relative: the cycler counts 1 + drift seconds a second
    cycler_lead_s: float = 120.0  # the cycler starts this long before the first map
    cycler_step_s: float = 5.0

    # LiCoO2
    x_end: float = 0.5
    x_metallic: float = 0.75
    front_speed_nm_per_s: float = 10.0
    front_width_um: float = 6.0  # 10-90 %
    front_waviness_um: float = 0.5  # amplitude of the front's position along x
    c_perp_A: tuple[float, float, float] = (14.00, 14.13, 14.32)  # x = 1, 0.75 metallic, x_end
    c_par_A: tuple[float, float, float] = (14.00, 14.04, 14.12)
    a_perp_A: tuple[float, float] = (2.8035, 2.7985)  # x = 1, x_end
    a_par_A: tuple[float, float] = (2.8030, 2.7980)
    par_at_bottom: float = 0.25  # share of the par family at the bottom; 0.5 at the top
    column_length_um: float = 5.0  # over which it changes
    insulating_top: float = 0.5  # insulating fraction of the top layer at the end of discharge
    insulating_um: float = 5.0
    insulating_fade_s: float = 1500.0

    # diffraction: peak heights relative to the diffuse background of a frame
    ring_sigma_q: float = 0.006  # 1/angstrom: instrument and crystallites, without the pixel
    spot_sigma_deg: float = 4.0  # of LCO spots along the ring
    lco_peak: float = 70.0
    ti_peak: float = 120.0
    au_peak: float = 25.0

    # Li grains
    grain_births_per_mm_map: tuple[float, float] = (16.0, 5.0)  # early in charge, at the end of discharge
    grain_map_s: float = 300.0  # "a map" in the rates above and in lifetimes
    grain_peak: float = 60.0
    grain_spread_deg: float = 6.0  # of early azimuths about multiples of 60 degrees
    epitaxy_mAh_cm2: float = 0.8  # later grains have any azimuth
    grain_sigma_deg: float = 0.6
    grain_rotation_deg_per_h: float = 3.0

    def __post_init__(self) -> None:
        if min(self.rows, self.columns, self.maps) < 1:
            raise InputError("rows, columns and maps must be at least 1", where="FilmCell")
        if self.order not in ("same", "snake"):
            raise InputError(f'order is "same" or "snake", not {self.order!r}', where="FilmCell")
        if self.map_s > self.map_period_s:
            raise InputError(
                f"a map takes {self.map_s:.0f} s, longer than map_period_s = {self.map_period_s:.0f}", where="FilmCell",
                fix="Give a longer map_period_s, fewer points or a shorter exposure.",
            )  # fmt: skip

    @property
    def row_s(self) -> float:
        """From the start of one row to the start of the next."""
        return self.columns * self.exposure_s + self.row_overhead_s

    @property
    def map_s(self) -> float:
        """Time that one map takes."""
        return self.rows * self.row_s

    @property
    def points(self) -> int:
        return self.rows * self.columns

    @property
    def started_s(self) -> float:
        """Start of the first map, seconds since the epoch (UTC)."""
        return datetime.fromisoformat(self.start).timestamp()

    @property
    def beam_sigma_um(self) -> float:
        return self.beam_z_fwhm_um / 2.3548200450309493

    @property
    def lco_top_um(self) -> float:
        return self.lco_bottom_um + self.lco_um

    @property
    def mAh_cm2_per_x(self) -> float:
        """Areal charge for one lithium per formula unit, over the whole film."""
        return self.charge_mAh_cm2 / (1.0 - self.x_end)

    @classmethod
    def paper(cls, **changes: Any) -> FilmCell:
        """Eiger 4M, 49 x 49 points, 100 maps: the experiment of the paper."""
        return replace(cls(), **changes)

    @classmethod
    def demo(cls, **changes: Any) -> FilmCell:
        """Twenty maps of 24 x 6 points of the first charge on a 0.5 megapixel detector: seconds to make."""
        small = cls(
            title="LCO, LiPON, Ti: first charge (simulated)", rows=24, columns=6, maps=20, step_z_um=2.0,
            beam_z_fwhm_um=2.0, map_period_s=280.0, initial_rest_s=600.0, detector=None, shape=(600, 800),
            pixel_um=172.0, module=(300, 262), gap=(10, 8), distance_m=0.1375, beam_x_px=406.0, beam_z_px=140.0,
            ring_sigma_q=0.0125, mean_counts=0.6, grain_births_per_mm_map=(40.0, 15.0), au_um=2.0,
        )  # fmt: skip
        return replace(small, **changes)

    @classmethod
    def tiny(cls, **changes: Any) -> FilmCell:
        """Two maps of 12 x 3 points on a small detector: for tests, well under a second."""
        small = cls.demo(
            rows=12, columns=3, maps=2, step_z_um=4.0, beam_z_fwhm_um=4.0, map_period_s=2400.0, shape=(300, 400),
            pixel_um=344.0, module=(150, 131), gap=(5, 4), beam_x_px=203.0, beam_z_px=70.0, ring_sigma_q=0.025,
        )  # fmt: skip
        return replace(small, **changes)
