"""The segmentation recipe: labels of every volume, and measures of them with the errors that held-out labels tell."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.tomography import Calibration

from .results import Process
from .sections.segmentation import SegmentationSection
from .segmentation_classifier import about_model, classifier_of
from .segmentation_held import HeldOut, segmentation_held
from .segmentation_known import Scan
from .segmentation_measures import contact_map, contact_table, middle_sections, phase_table, ratio_table
from .segmentation_model import Classifier
from .segmentation_sources import held_known, planes, scans_of, training
from .segmentation_store import Segmented, segment_volume

if TYPE_CHECKING:
    from .running import Run

PRECISE = 0.03  # expected calibration error that is no news


def segmentation(job: Run, groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> None:
    """Put the groups of `segmentation` (see docs/decisions/0002) into `groups`."""
    section = job.experiment.segmentation
    assert section is not None
    scans = scans_of(job, section)
    classifier = classifier_of(job, section, scans)
    if classifier is None:
        job.notes.append(
            f"segmentation: nothing is painted yet: open operando show {job.folder.name}, paint, and run again"
        )
        return
    held = held_out(job, section, scans, classifier)
    calibration = Calibration()
    if held:
        rel = held["reliability"]
        calibration = Calibration(float(rel["temperature"]), tuple(float(b) for b in rel["bias"].values))
    folder = job.folder / "segmentation"
    made = [segmented(job, section, scan, classifier, calibration, folder) for scan in scans]
    if job.experiment.transport is not None and job.experiment.transport.source == "segmentation":
        for known in held_known(job, classifier.phases):
            if not known.scan.number:  # a volume that is no scan of the run
                segmented(job, section, known.scan, classifier, calibration, folder / "held")
    rng = np.random.default_rng(section.seed)
    at = xr.DataArray([s.time_s for s in scans], dims="time", name="time",
                      attrs={"units": "s", "long_name": "time since the first scan"})  # fmt: skip
    confusion = held.get("confusion")
    tables = [phase_table(one, confusion, rng) for one in made]
    together = xr.concat([t.drop_vars("draw", errors="ignore") for t in tables], at, combine_attrs="override")
    groups["segmentation"] = together.assign_attrs(
        classifier=classifier.kind, temperature=calibration.temperature, voxel_um=scans[0].voxel_um,
        held_out=len(section.held),
        volumes=[s.name for s in scans], unit_of_grey=scans[0].file.units,
    )  # fmt: skip
    if section.ratios:
        groups["segmentation/ratios"] = xr.concat(
            [ratio_table(t, section.ratios) for t in tables], at, combine_attrs="override"
        )
    if section.contact is not None:
        contacts(groups, made, section, held, at, rng)
    groups["segmentation/sections"] = xr.concat(
        [middle_sections(one) for one in made], at, combine_attrs="override"
    )
    for name in ("confusion", "reliability"):
        if held:
            groups[f"segmentation/{name}"] = bare(held[name]) if name == "confusion" else held[name]
    groups["segmentation/model"] = about_model(classifier)
    look_at(job, groups, section)


def held_out(
    job: Run, section: SegmentationSection, scans: list[Scan], classifier: Classifier
) -> dict[str, xr.Dataset]:
    """What held-out labels tell; nothing without them."""
    if not section.held:
        job.notes.append(
            "segmentation: no labels were held out, so shares and volumes have no error: write held = [...] "
            "with labels that are not trained on"
        )
        return {}
    known = held_known(job, classifier.phases)
    learned = set() if section.model else planes(training(job, section, scans))
    both = len(learned & planes(known))
    if both:
        job.notes.append(
            f"segmentation: {both} slices hold labels that are trained on and labels that are held out: neighbouring "
            "voxels resemble each other, so errors and calibration are optimistic"
        )
    job.listener.say("segmentation", "held-out labels: calibration and confusion")
    contact = section.contact.model_dump() if section.contact else None
    return job.stages.stage(
        segmentation_held, {"held": HeldOut(tuple(known), classifier, section.memory_gb)},
        {"contact": contact, "shares": section.shares == "held", "seed": section.seed},
    )  # fmt: skip


def segmented(
    job: Run, section: SegmentationSection, scan: Scan, classifier: Classifier, calibration: Calibration,
    folder: Path,
) -> Segmented:  # fmt: skip
    job.listener.say("segmentation", f"{scan.name}: {classifier.kind}")
    begun = time.perf_counter()
    target = folder / f"{scan.name}.zarr"

    def told(done: int, total: int) -> None:
        job.listener.progress(f"segmentation {scan.name}", done, total)

    made = segment_volume(
        scan, classifier, target, calibration=calibration, memory_gb=section.memory_gb, progress=told
    )
    inputs = {"volume": scan.file.digest, "classifier": classifier.digest}
    job.stages.processes.append(
        Process("segmentation_predict", "1", time.perf_counter() - begun, {"calibration": repr(calibration)}, inputs,
                str(target.relative_to(job.folder)))
    )  # fmt: skip
    return made


def contacts(
    groups, made: list[Segmented], section: SegmentationSection, held, at: xr.DataArray, rng
) -> None:
    assert section.contact is not None
    maps = [contact_map(one, section.contact) for one in made]
    groups["segmentation/contact"] = xr.concat(
        [contact_table(one, held, rng) for one in maps], at, combine_attrs="override"
    )
    joined = xr.concat(maps, at, combine_attrs="override").transpose("time", "electrode", "y", "x")
    groups["segmentation/maps"] = xr.Dataset({"touching": joined.astype(np.float32)})
    for name in ("bottom", "top"):
        if f"contact_{name}" in held:
            groups[f"segmentation/contact_confusion_{name}"] = bare(held[f"contact_{name}"])


def bare(confusion: xr.Dataset) -> xr.Dataset:
    """Without its blocks."""
    return confusion.drop_vars(["count", "volume"])


def look_at(job: Run, groups: dict[str, xr.Dataset], section: SegmentationSection) -> None:
    main = groups["segmentation"]
    unknown = main["unknown"].values
    if unknown.any():
        job.notes.append(
            f"segmentation: {int(unknown.max()):,} voxels of a volume are no number: labelled 255, not counted"
        )
    if "segmentation/reliability" in groups:
        error = float(groups["segmentation/reliability"]["ece"])
        if error > PRECISE:
            job.notes.append(
                f"segmentation: the probabilities are off by {error:.3f} in the mean (calibration)"
            )
        missing = groups["segmentation/confusion"]["flag"].values > 0
        few = [
            str(n)
            for n, bad in zip(groups["segmentation/confusion"]["true"].values, missing, strict=True)
            if bad
        ]
        if few:
            job.notes.append(
                f"segmentation: too few held-out labels of {', '.join(few)}: their errors are unsure"
            )
    if (
        section.contact is not None
        and not np.isfinite(groups["segmentation/contact"]["share_err"].values).all()
    ):
        job.notes.append("segmentation: contact has no error: no held-out column is labelled from end to end")
