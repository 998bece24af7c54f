"""One image file, opened by fabio."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from .image_sizes import check_frames, check_stored


def open_image(path: Path):
    """A fabio image. Raises `ReadError` for a file that fabio cannot read, or would fill up with zeros."""
    import fabio

    try:
        check_stored(path)
        image = fabio.open(str(path))
        check_frames(path, image)
        if image.data is None:
            raise ValueError("no pixels can be decoded")
        return image
    except Exception as error:  # fabio raises whatever its parsers raise
        raise _damaged(path, error) from error


def pixels(image, frame: int, path: Path) -> np.ndarray:
    """(rows, columns) of one frame of an open image. Raises `ReadError` as `open_image` does."""
    if frame == 0:
        return image.data
    try:
        if getattr(image, "lib", "") == "PIL":
            # compressed TIFF, of which fabio itself decodes the first image only
            from PIL import Image

            with Image.open(path) as pages:
                pages.seek(frame)
                return np.asarray(pages)
        return image.get_frame(frame).data
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ReadError:
    return ReadError(
        f"not a readable image ({type(error).__name__}: {error})", where=str(path),
        fix="The file is damaged or not what its name says: copy it again, or leave it out.",
    )  # fmt: skip
