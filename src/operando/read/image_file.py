"""One image file, opened by fabio."""

from __future__ import annotations

from pathlib import Path

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
        raise ReadError(
            f"not a readable image ({type(error).__name__}: {error})", where=str(path),
            fix="The file is damaged or not what its name says: copy it again, or leave it out.",
        ) from error  # fmt: skip
