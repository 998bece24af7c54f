"""Which pixels count: the mask that an experiment file asks for, and images of flat and dark."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from operando.core import Geometry, Scan
from operando.core.errors import GeometryError, InputError, MaskMissing


def mask_of(wanted: str, scan: Scan, geometry: Geometry) -> np.ndarray | None:
    """True where a pixel must not count; None only if the user wrote mask = "none".

    "detector" is the union of the mask that the file holds, the gaps that pyFAI knows for a named detector, and
    pixels that are dead in every one of a few frames. Raises `MaskMissing` when none of these exists.
    """
    if wanted == "none":
        return None
    if wanted != "detector":
        return _not_all(_mask_file(wanted, scan.frames.shape), wanted)
    found = [
        mask for mask in (scan.frames.mask, geometry.detector_mask(), always_dead(scan)) if mask is not None
    ]
    if not found and _blind(scan):
        raise MaskMissing(
            "no mask: every pixel is dead in all frames that were looked at", where=scan.name,
            fix="Leave this scan out of xrd.scans, or name a mask file in xrd.mask.",
        )  # fmt: skip
    if not found:
        raise MaskMissing(
            "no mask: the file holds none, the geometry names no detector with gaps, and no pixel is marked dead",
            where=scan.name, fix='Name a mask file in xrd.mask, or write mask = "none" to integrate unmasked.',
        )  # fmt: skip
    return _not_all(np.logical_or.reduce(found), scan.name)


def _not_all(mask: np.ndarray, where: str) -> np.ndarray:
    if mask.all():
        raise InputError(
            "the mask leaves no pixel", where=where, fix="Masks are true (not 0) where a pixel is bad."
        )
    return mask


def _blind(scan: Scan) -> bool:
    """Whether all of a few frames were never written, or hold nothing but the dead value."""
    frames = scan.frames
    return frames.dead_value is not None and bool(
        all((image == frames.dead_value).all() for image in _a_few(scan))
    )


def _a_few(scan: Scan) -> Iterator[np.ndarray]:
    """Up to five frames spread over the scan, each (rows, columns)."""
    for place in np.unique(np.linspace(0, len(scan.frames) - 1, 5).astype(int)):
        yield next(iter(scan.frames.blocks(int(place), int(place) + 1))).load()[0]


def always_dead(scan: Scan) -> np.ndarray | None:
    """Pixels that hold the dead value in all of (up to) five frames spread over the scan; None if there are none."""
    frames = scan.frames
    if not len(frames) or (frames.dead_value is None and frames.dtype.kind != "i"):
        return None
    dead = np.ones(frames.shape, bool)
    for image in _a_few(scan):
        empty = image < 0 if frames.dtype.kind == "i" else image == frames.dead_value
        if not empty.all():  # a frame that was never written says nothing of the detector
            dead &= empty
    return dead if dead.any() and not dead.all() else None


def _mask_file(path: str, shape: tuple[int, int]) -> np.ndarray:
    return np.ascontiguousarray(_image(path, shape, "xrd.mask") != 0)


def correction_image(path: str | None, shape: tuple[int, int], key: str) -> np.ndarray | None:
    """A flat or dark image. Raises `InputError` for another size or an unreadable file."""
    return None if path is None else np.asarray(_image(path, shape, key), float)


def _image(path: str, shape: tuple[int, int], key: str) -> np.ndarray:
    """One image of finite numbers, (rows, columns), from .npy or anything that fabio reads."""
    import fabio

    try:
        image = np.load(path) if path.endswith(".npy") else fabio.open(path).data
    except Exception as error:  # fabio raises whatever its many formats raise
        raise InputError(
            f"{key}: not a readable image ({error})", where=path, fix="Give a .npy, .edf, .tif or .cbf image."
        ) from error
    if not isinstance(image, np.ndarray) or image.ndim != 2 or image.dtype.kind not in "buif":
        raise InputError(f"{key}: not one image of numbers", where=path, fix="Save a single 2-d array in it.")
    if image.shape != shape:
        raise GeometryError(
            f"{key}: {image.shape[0]} x {image.shape[1]} pixels, the images are {shape[0]} x {shape[1]}",
            where=path, fix="Give an image of this detector, binned and cut as the frames are.",
        )  # fmt: skip
    if not np.isfinite(image).all():
        raise InputError(
            f"{key}: {int((~np.isfinite(image)).sum())} pixels are not finite numbers", where=path,
            fix="Put such pixels into the mask, and a number in their place.",
        )  # fmt: skip
    return image
