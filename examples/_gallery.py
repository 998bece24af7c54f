"""Small pictures for docs/gallery.md from the figures of examples that have run: see `make gallery`.

python examples/_gallery.py RUNS docs/images/gallery      # RUNS holds a folder for each example, by its name
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

CHOSEN = {
    "film_micro_xrd": (
        "maps", "film-profiles", "film-content", "film-cycle", "film-discharge-content", "plating", "grains",
    ),
    "coin_cell_compton": (
        "compton-profiles", "compton-maps", "compton-rates", "compton-roughness", "compton-impedance",
    ),
    "grain_selection": ("selection-energies", "selection-map", "25C-growth", "80C-growth", "ebsd-shares"),
    "lithium_llzo_tomography": (
        "llzo-current", "llzo-sections", "llzo-segmentation", "llzo-lithium-depth", "llzo-tortuosity", "llzo-factors",
    ),
    "lithium_lsps_tomography": (
        "tomography-sections", "tomography-contact", "lsps-contact", "lsps-voltage", "lsps-volumes", "lsps-stripping",
        "lsps-motion", "lsps-relation",
    ),
}  # fmt: skip
WIDTH, COLOURS = 1140, 128


def shrink(source: Path, target: Path) -> int:
    """A figure as a palette PNG of the width of a page; returns its bytes."""
    with Image.open(source) as image:
        height = round(image.height * WIDTH / image.width)
        small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        small.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    return target.stat().st_size


def main() -> None:
    runs, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    pictures.mkdir(parents=True, exist_ok=True)
    total = 0
    for example, names in CHOSEN.items():
        for name in names:
            source = runs / example / "figures" / f"{name}.png"
            if source.exists():
                total += shrink(source, pictures / f"{name}.png")
            else:
                print(f"{source}: not there", file=sys.stderr)
    print(f"{pictures}: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
