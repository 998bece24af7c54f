"""Rings of the film cell: reflections, their strengths, and where along the ring each spot lies."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .cell import FilmCell

LI_A = 3.491
TI_A, TI_C = 2.951, 4.684
AU_A = 4.0786


@dataclass(frozen=True)
class Ring:
    """One reflection of a layer. Spots are Gaussians along the ring of height `weight`, on an even ring of `powder`.

    peak is relative to the diffuse background of a frame; sigma_q in 1/angstrom without the pixel.
    """

    name: str
    layer: str
    hkl: tuple[int, int, int]
    peak: float
    sigma_q: float
    sigma_deg: float
    spots: dict[float, float] = field(default_factory=dict)
    family: str | None = None
    powder: float = 0.0

    def along(self, azimuth_deg: np.ndarray) -> np.ndarray:
        """Relative intensity along the ring."""
        total = np.full(np.shape(azimuth_deg), self.powder, np.float64)
        for centre, weight in self.spots.items():
            off = (np.asarray(azimuth_deg, float) - centre + 180) % 360 - 180
            total += weight * np.exp(-0.5 * (off / self.sigma_deg) ** 2)
        return total


def even(*azimuths: float, weight: float = 1.0) -> dict[float, float]:
    return dict.fromkeys(azimuths, weight)


def lco_rings(cell: FilmCell) -> list[Ring]:
    """Rings of LCO, each once a family: (003), (101), (104), (110)."""
    spots = {
        ((0, 0, 3), "perp"): (1.0, even(25, 160, 205, 345)),
        ((0, 0, 3), "par"): (1.0, even(90, 275)),
        ((1, 0, 1), "perp"): (0.3, even(62, 118, 242, 298)),
        ((1, 0, 1), "par"): (0.3, even(10, 170, 190, 350)),
        ((1, 0, 4), "perp"): (0.5, even(70, 110, 250, 290)),
        ((1, 0, 4), "par"): (0.5, even(35, 145, 215, 325)),
        ((1, 1, 0), "perp"): (0.4, even(90, 270)),
        ((1, 1, 0), "par"): (0.4, even(30, 150, 210, 330)),
    }
    return [
        Ring(f"LCO{''.join(map(str, hkl))}", "LCO", hkl, cell.lco_peak * strength, cell.ring_sigma_q,
             cell.spot_sigma_deg, where, family)
        for (hkl, family), (strength, where) in spots.items()
    ]  # fmt: skip


def still_rings(cell: FilmCell) -> list[tuple[Ring, float]]:
    """Rings of Ti and Au, with their positions in q, which do not change."""
    sigma, ti, au = cell.ring_sigma_q, cell.ti_peak, cell.au_peak
    weak = even(30, 150, 210, 330, weight=0.4)
    titanium = [
        Ring("Ti100", "Ti", (1, 0, 0), ti, sigma, 7.0, {90.0: 1.0, **weak}, powder=0.03),
        Ring("Ti002", "Ti", (0, 0, 2), ti, sigma, 6.0, even(0, 180), powder=0.03),
        Ring("Ti101", "Ti", (1, 0, 1), ti, sigma, 12.0, even(60, 120, weight=0.2), powder=0.1),
    ]
    gold = [  # weak texture, wider rings: small crystallites
        Ring("Au111", "Au", (1, 1, 1), au, 1.3 * sigma, 35.0, even(90, 270, weight=0.35), powder=1),
        Ring("Au200", "Au", (2, 0, 0), 0.45 * au, 1.3 * sigma, 35.0, even(0, 180, weight=0.3), powder=1),
        Ring("Au220", "Au", (2, 2, 0), 0.3 * au, 1.3 * sigma, 35.0, even(35, 145, weight=0.2), powder=1),
    ]
    placed = [(ring, hexagonal_q(ring.hkl, TI_A, TI_C)) for ring in titanium]
    return placed + [(ring, cubic_q(ring.hkl, AU_A)) for ring in gold]


def hexagonal_q(hkl: tuple[int, int, int], a, c):
    """q = 2 pi sqrt(4 (h2 + hk + k2) / (3 a2) + l2 / c2) in 1/angstrom."""
    h, k, l = hkl  # noqa: E741
    return 2 * np.pi * np.sqrt(4 * (h * h + h * k + k * k) / (3 * np.square(a)) + l * l / np.square(c))


def cubic_q(hkl: tuple[int, int, int], a):
    """q = 2 pi sqrt(h2 + k2 + l2) / a in 1/angstrom."""
    return 2 * np.pi * np.sqrt(sum(i * i for i in hkl)) / a


def diffuse(layer: str, q: np.ndarray) -> np.ndarray:
    """Smooth scattering of each layer against q, about 1 on average; air and windows are in every frame."""

    def hump(centre: float, sigma: float) -> np.ndarray:
        return np.exp(-0.5 * ((q - centre) / sigma) ** 2)

    shapes = {
        "substrate": 0.5 * hump(1.75, 0.40) + 0.35 * hump(3.0, 0.9) + 0.25,
        "LCO": 0.55 + 0.15 * q / 4 + 0.9 * np.exp(-q / 0.5),
        "LiPON": 1.3 * hump(1.65, 0.30) + 0.7 * hump(2.95, 0.45) + 0.2,
        "Li": 0.25 * hump(2.5, 0.6) + 0.15,
        "Ti": 0.6 + 0.3 * np.exp(-q / 0.8),
        "Au": 0.7 + 0.5 * np.exp(-q / 0.9),
        "parylene": 2.2 * hump(1.37, 0.075) + 0.5 * hump(3.0, 0.4) + 0.15,
        "air": np.zeros_like(q),
    }
    return shapes[layer]


def air(q: np.ndarray) -> np.ndarray:
    """Air and windows: falls with q."""
    return 0.25 + 1.1 * np.exp(-q / 0.9)
