"""segment: train a classifier of voxels, and label volumes with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from operando.core.errors import InputError

from .app import Application, Verbose, app

segment = Application(
    name="segment",
    help="Learn phases from strokes or labels, and label volumes.\n\n"
    "Example: operando segment predict cell.npz scan.zarr",
)
app.add_typer(segment)

Voxel = Annotated[float | None, typer.Option(help="um, where the volume does not say.", min=1e-6)]


@segment.command("train")
def train_model(
    volumes: Annotated[list[Path], typer.Argument(help="zarr, TIFF stack or folder, HDF5.")],
    labels: Annotated[list[Path], typer.Option("--labels", "-l", help="Strokes or labels, one a volume.")],
    phases: Annotated[str | None, typer.Option(help="Names of labels 1, 2, ...: void,lithium")] = None,
    method: Annotated[str, typer.Option(help="forest or unet.")] = "forest",
    output: Annotated[Path, typer.Option("--output", "-o", help="Without .npz or .pt.")] = Path(
        "segmentation"
    ),
    voxel: Voxel = None,
    encoder: Annotated[str, typer.Option(help="light or resnet34.")] = "light",
    across: Annotated[str, typer.Option(help="Of slices of a U-Net.")] = "y",
    neighbours: Annotated[int, typer.Option(help="Slices seen beside.", min=0)] = 2,
    seconds: Annotated[float, typer.Option(help="A U-Net's, at most.", min=1)] = 300.0,
    dimensions: Annotated[int, typer.Option(help="Of a forest.")] = 3,
    seed: Annotated[int, typer.Option(help="Of random draws.", min=0)] = 0,
    verbose: Verbose = False,
) -> None:
    """Train on strokes or label volumes. Run again after an interruption: it continues.

    Example: operando segment train scan.zarr -l painting/scan.json -o cell
    """
    from operando.flow import segmentation_files as files
    from operando.terminal import Terminal

    if method not in ("forest", "unet"):
        raise InputError(f"no method called {method!r}", fix="Choose one of: forest, unet.")
    how: dict[str, Any] = (
        {"dimensions": dimensions, "seed": seed} if method == "forest"
        else {"encoder": encoder, "across": across, "neighbours": neighbours, "time_s": seconds, "seed": seed}
    )  # fmt: skip
    names = [p.strip() for p in phases.split(",")] if phases else None
    terminal = Terminal(verbose)
    with terminal:
        bar = terminal.bar("training")
        path, told = files.train_files(
            volumes, labels, names, method, output, voxel_um=voxel, how=how,
            tell=lambda entry: bar(int(min(entry["seconds"], seconds)), int(seconds)),
        )  # fmt: skip
        terminal.say("model", f"{path} · {told}")


@segment.command()
def predict(
    model: Annotated[Path, typer.Argument(help="Of segment train: .npz or .pt.")],
    volumes: Annotated[list[Path], typer.Argument(help="zarr, TIFF stack or folder, HDF5.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for NAME.zarr.")] = Path("segmented"),
    voxel: Voxel = None,
    memory: Annotated[float, typer.Option(help="GB of arrays at most, about.", min=0.2)] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    verbose: Verbose = False,
) -> None:
    """Label volumes: labels and confidence as zarr. Run again after an interruption: it continues.

    Example: operando segment predict cell.npz run/volumes/scan_0001.zarr
    """
    from operando.flow import segmentation_files as files
    from operando.terminal import Terminal

    terminal = Terminal(verbose)
    with terminal:
        for volume in volumes:
            made = files.predict_file(
                model, volume, output, voxel_um=voxel, memory_gb=memory, progress=terminal.bar(volume.stem)
            )
            share = {
                name: float(n) / max(made.count.sum(), 1)
                for name, n in zip(made.phases, made.count, strict=True)
            }
            if as_json:
                typer.echo(
                    json.dumps(
                        {
                            "labels": str(made.path),
                            "share": share,
                            "unsure": made.unsure,
                            "unknown": made.unknown,
                        }
                    )
                )
            else:
                told = " · ".join(f"{name} {100 * s:.2f} %" for name, s in share.items())
                lost = f" · {made.unknown:,} voxels are no number (255)" if made.unknown else ""
                terminal.say("labels", f"{made.path} · {told} · {100 * made.unsure:.1f} % unsure{lost}")
