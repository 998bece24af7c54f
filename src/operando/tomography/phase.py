"""Single-distance phase retrieval for a sample whose delta/beta is the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..core.errors import InputError
from ..core.units import energy_to_wavelength

MOST_REACH = 20_000  # pixels of the widest image


@dataclass(frozen=True)
class PhaseRetrieval:
    """What single-distance retrieval must know: delta/beta of the sample, photon energy, distance to the detector."""

    delta_beta: float
    energy_keV: float
    distance_mm: float

    def __post_init__(self) -> None:
        for name in ("delta_beta", "energy_keV", "distance_mm"):
            if not getattr(self, name) > 0:
                raise InputError(
                    f"phase retrieval needs {name} above zero, found {getattr(self, name)}",
                    fix="Give all of delta/beta, energy and distance, or leave phase retrieval out.",
                )

    def ratio(self, pixel_um: float) -> float:
        """pi lambda z (delta/beta) / pixel^2: the filter is 1 / (1 + ratio u^2), u in cycles a pixel."""
        wavelength_um = energy_to_wavelength(self.energy_keV) * 1e-4
        return np.pi * wavelength_um * self.distance_mm * 1e3 * self.delta_beta / pixel_um**2

    def reach_px(self, pixel_um: float) -> int:
        """Rows above and below that a row depends on: four decay lengths sqrt(ratio) / (2 pi) of the filter."""
        return reach_of(self.ratio(pixel_um))


def reach_of(ratio: float, width: int = MOST_REACH, lengths: float = 4.0) -> int:
    """`lengths` decay lengths of the filter, pixels. Raises `InputError` for more than the `width` of the image."""
    reach = lengths * np.sqrt(ratio) / (2 * np.pi)
    if not reach <= width:
        raise InputError(
            f"phase retrieval would reach over {reach:.3g} pixels, further than the image ({width})",
            where="phase retrieval",
            fix="Check delta/beta, energy, distance and pixel: is one of them in another unit?",
        )
    return int(np.ceil(reach))


def retrieve_phase(transmission: np.ndarray, ratio: float) -> np.ndarray:
    """Attenuation mu T (rows, columns) of one flat-field corrected image, the blur of propagation undone.

    mu T = -ln F^-1[ F[I/I0] / (1 + ratio u^2) ], ratio = pi lambda z (delta/beta) / pixel^2
    (Paganin et al. 2002, eq. 10, for a parallel beam). Edges are continued over four decay lengths.

    Invalid where delta/beta varies between materials (their edges are then over- or under-sharpened), and far
    from the near field, z > pixel^2 / lambda.
    """
    rows, columns = transmission.shape
    pad = max(8, reach_of(ratio, max(rows, columns)))
    padded = np.pad(transmission, pad, mode="edge")
    shape = tuple(fft.next_fast_len(n, real=True) for n in padded.shape)
    padded = np.pad(padded, ((0, shape[0] - padded.shape[0]), (0, shape[1] - padded.shape[1])), mode="edge")
    u2 = np.add.outer(fft.fftfreq(shape[0]) ** 2, fft.rfftfreq(shape[1]) ** 2)
    spectrum = fft.rfft2(padded)
    spectrum /= (1 + ratio * u2).astype(np.float32)
    smooth = fft.irfft2(spectrum, shape)[pad : pad + rows, pad : pad + columns]
    return -np.log(smooth)
