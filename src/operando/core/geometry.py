"""Geometry: where every pixel of the stored image looks. pyFAI does the trigonometry.

Azimuth is in degrees, 0 to 360, 0 along +x (to the right looking downstream), 90 along +z (up). pyFAI's axis 1
points up and its axis 2 to the right looking downstream, in each of its four image orientations, so azimuth =
chi modulo 360. `orientation` is the EXIF number of PONI 2.1 and says how the image that the PONI belongs to was
stored; `flip` says in addition how the stored image has to be turned to become that image.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from .errors import GeometryError

Flip = Literal["none", "vertical", "horizontal", "both"]
MAKE_PONI = "Make one with pyFAI-calib2 from a reference frame."
LARGEST_SIDE = 1_000_000  # pixels


@dataclass(frozen=True)
class Geometry:
    """A PONI (metres, radians) with its detector, wavelength in angstrom, and the flip of the stored image.

    shape        rows, columns of the stored image; None when the PONI does not tell (see `for_shape`)
    detector     a pyFAI detector name, or None for a plain one of `pixel_m`
    orientation  1 top-left, 2 top-right, 3 bottom-right (pyFAI's default), 4 bottom-left, seen from behind the detector
    """

    distance_m: float
    poni1_m: float
    poni2_m: float
    wavelength_A: float
    pixel_m: tuple[float, float]
    shape: tuple[int, int] | None = None
    rot1: float = 0.0
    rot2: float = 0.0
    rot3: float = 0.0
    orientation: int = 3
    flip: Flip = "none"
    detector: str | None = None
    detector_config: str = "{}"

    @classmethod
    def from_poni(
        cls,
        path: str | Path,
        *,
        flip: Flip = "none",
        orientation: int | None = None,
        wavelength_A: float | None = None,
    ) -> Geometry:
        """Read a PONI file, version 1, 2 or 2.1.

        `orientation` overrides what the file says. Raises `GeometryError` for what is no PONI, and for one without
        wavelength when none is given.
        """
        from pyFAI.io.ponifile import PoniFile

        try:
            text = Path(path).read_text(errors="replace")
            if "Distance" not in text:
                raise ValueError("no Distance in it")
            poni = PoniFile(str(path))
            detector = poni.detector
            absent = [name for name in ("dist", "poni1", "poni2") if getattr(poni, name) is None]
            if absent:
                raise ValueError(f"no {absent[0]} in it")
            if detector is None:
                raise ValueError("no detector in it")
            dist, poni1, poni2 = float(poni.dist), float(poni.poni1), float(poni.poni2)
        except OSError as error:
            raise GeometryError(
                f"cannot be opened: {error.strerror or error}",
                where=str(path),
                fix="Give a PONI file that is yours to read.",
            ) from error
        except Exception as error:
            words = (
                str(error) if len(str(error)) < 200 else f"{str(error)[:200]} ..."
            )  # pyFAI lists every detector
            raise GeometryError(
                f"not a PONI file ({words})",
                where=str(path),
                fix=MAKE_PONI,
            ) from error
        wavelength = wavelength_A or (float(poni.wavelength) * 1e10 if poni.wavelength else None)
        if not wavelength:
            raise GeometryError(
                "this PONI has no wavelength", where=str(path), fix="Add a line: Wavelength: 6.888e-11"
            )
        _check_numbers(poni, wavelength, path)
        config = dict(detector.get_config() or {})
        found = config.pop("orientation", 0) or 0
        if found not in range(5):
            raise GeometryError(f"orientation {found} is not 1 to 4", where=str(path), fix=MAKE_PONI)
        named = type(detector).__name__ != "Detector"
        shape = detector.max_shape if detector.max_shape is not None else config.get("max_shape")
        if shape is not None and not _is_size(shape):
            raise GeometryError(f"max_shape {shape} is not rows, columns", where=str(path), fix=MAKE_PONI)
        return cls(
            dist, poni1, poni2, wavelength, (float(detector.pixel1), float(detector.pixel2)),
            None if shape is None or None in shape else (int(shape[0]), int(shape[1])),
            float(poni.rot1 or 0), float(poni.rot2 or 0), float(poni.rot3 or 0),
            orientation or int(found) or 3, flip, detector.__class__.__name__ if named else None,
            json.dumps(config) if named else "{}",
        )  # fmt: skip

    def for_shape(self, shape: tuple[int, int], *, name: str = "frames") -> Geometry:
        """This geometry for images of `shape`. Raises `GeometryError` if it belongs to another detector size."""
        if self.shape is None:
            return replace(self, shape=(int(shape[0]), int(shape[1])))
        if tuple(self.shape) != tuple(shape):
            raise GeometryError(
                f"images are {shape[0]} x {shape[1]} pixels, the geometry is for {self.shape[0]} x {self.shape[1]}"
                + (f" ({self.detector})" if self.detector else ""),
                where=name, fix="Use the PONI of this detector, or of this binning and region of interest.",
            )  # fmt: skip
        return self

    @cached_property
    def integrator(self):
        """pyFAI's AzimuthalIntegrator of the image that the PONI belongs to (before `flip`)."""
        from pyFAI.detectors import Detector, detector_factory
        from pyFAI.integrator.azimuthal import AzimuthalIntegrator

        if self.shape is None:
            raise GeometryError("the detector size is unknown", fix="Call for_shape((rows, columns)) first.")
        if self.detector:
            detector = detector_factory(
                self.detector, {**json.loads(self.detector_config), "orientation": self.orientation}
            )
        else:
            detector = Detector(*self.pixel_m, max_shape=self.shape, orientation=self.orientation)
        return AzimuthalIntegrator(
            self.distance_m, self.poni1_m, self.poni2_m, self.rot1, self.rot2, self.rot3,
            detector=detector, wavelength=self.wavelength_A * 1e-10,
        )  # fmt: skip

    def to_stored(self, image: np.ndarray) -> np.ndarray:
        """Turn an array of the PONI's image into the layout of the stored image (flips are their own inverse)."""
        if self.flip in ("vertical", "both"):
            image = image[::-1]
        if self.flip in ("horizontal", "both"):
            image = image[:, ::-1]
        return np.ascontiguousarray(image)

    def q(self) -> np.ndarray:
        """Momentum transfer at pixel centres, (rows, columns), 1/angstrom: q = 4 pi sin(theta) / lambda."""
        return self.to_stored(self.integrator.center_array(unit="q_A^-1"))

    def two_theta(self) -> np.ndarray:
        """Scattering angle at pixel centres, (rows, columns), degrees."""
        return self.to_stored(self.integrator.center_array(unit="2th_deg"))

    def azimuth(self) -> np.ndarray:
        """Azimuth of pixel centres, (rows, columns), degrees in [0, 360)."""
        return np.mod(self.to_stored(self.integrator.center_array(unit="chi_deg")), 360.0)

    def solid_angle(self) -> np.ndarray:
        """Relative solid angle of each pixel, (rows, columns); 1 at normal incidence."""
        return self.to_stored(self.integrator.solidAngleArray(self.shape))

    def polarisation(self, factor: float, axis_deg: float = 0.0) -> np.ndarray:
        """Polarisation factor of each pixel, (rows, columns); `factor` 1 is fully horizontal, as in pyFAI."""
        return self.to_stored(
            self.integrator.polarization(self.shape, factor=factor, axis_offset=np.deg2rad(axis_deg))
        )

    def detector_mask(self) -> np.ndarray | None:
        """Gaps that pyFAI knows of for a named detector, (rows, columns), True where masked; else None."""
        if self.detector is None:
            return None
        mask = self.integrator.detector.mask
        if mask is not None and np.shape(mask) != self.shape:
            raise GeometryError(
                f"the PONI says {self.detector}, whose mask is {' x '.join(map(str, np.shape(mask)))} pixels, but the "
                f"images are {' x '.join(map(str, self.shape or ()))}",
                where=self.detector, fix="Use the PONI of this detector, or of this binning and region of interest.",
            )  # fmt: skip
        return None if mask is None else self.to_stored(np.asarray(mask, bool))


def _is_size(shape) -> bool:
    """Whether this can be rows and columns, either of them unknown (None)."""
    return len(shape) == 2 and all(
        n is None or (isinstance(n, (int, float, np.number)) and 0 < n <= LARGEST_SIDE) for n in shape
    )


def _check_numbers(poni, wavelength_A: float, path: str | Path) -> None:
    """Raise `GeometryError` for numbers that no diffractometer has."""
    pixel = poni.detector.pixel1, poni.detector.pixel2
    lengths = {"Distance": poni.dist, "Wavelength": wavelength_A, "pixel1": pixel[0], "pixel2": pixel[1]}
    for name, value in lengths.items():
        if value is None or not np.isfinite(value) or not 0 < value < 1e4:
            raise GeometryError(f"{name} is {value}: not a length above zero", where=str(path), fix=MAKE_PONI)
    for name in ("poni1", "poni2", "rot1", "rot2", "rot3"):
        if not np.isfinite(value := float(getattr(poni, name) or 0)) or abs(value) > 1e3:
            raise GeometryError(
                f"{name} is {value}: not a possible position or angle", where=str(path), fix=MAKE_PONI
            )
