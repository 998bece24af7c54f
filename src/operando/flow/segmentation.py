"""The segmentation recipe: labels of every volume, and measures of them with the errors that held-out labels tell."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.core.errors import ExperimentError, InputError
from operando.read.volume_boxes import BoxedVolume, open_volume
from operando.tomography import Calibration
from operando.tomography.volume import quantity

from .results import Process
from .sections.segmentation import LabelledSection, SegmentationSection
from .segmentation_held import HeldOut, segmentation_held
from .segmentation_known import Known, Scan, read_known
from .segmentation_measures import contact_map, contact_table, middle_sections, phase_table, ratio_table
from .segmentation_model import (
    Classifier,
    ForestSettings,
    NetSettings,
    Settings,
    read_classifier,
    train,
)
from .segmentation_store import Segmented, segment_volume

if TYPE_CHECKING:
    from .running import Run

PAINTING = "painting"
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
    made = [segmented(job, section, scan, classifier, calibration) for scan in scans]
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


def scans_of(job: Run, section: SegmentationSection) -> list[Scan]:
    """The volumes to segment, in order of time: those named, else those of [tomography]."""
    if section.volumes is None:
        return _of_tomography(job)
    paths = [section.volumes] if isinstance(section.volumes, str) else list(section.volumes)
    files = [open_volume(p) for p in paths]
    if section.times_s is not None and len(section.times_s) != len(files):
        raise ExperimentError(f"{len(section.times_s)} times for {len(files)} volumes", where="segmentation.times_s",
                              fix="Give one time (s) for every volume.")  # fmt: skip
    utc = np.array(section.times_s or [f.utc for f in files], float)
    if len(files) == 1:
        utc = np.zeros(1)
    if not np.isfinite(utc).all() or len(set(utc)) < len(utc):
        raise ExperimentError(
            "the times of the volumes are not known, or two are the same", where="segmentation.volumes",
            fix="Write times_s = [0, 900, ...]: the middle of each scan in s, in the order of the files.",
        )  # fmt: skip
    order = np.argsort(utc, kind="stable")
    return [
        Scan(files[k], n, _voxel(files[k], section.voxel_um), float(utc[k] - utc[order[0]]))
        for n, k in enumerate(order, 1)
    ]


def _voxel(file: BoxedVolume, given: float | None) -> float:
    if given is None and file.voxel_um is None:
        raise ExperimentError(f"the voxel size of {file.name} is not known", where="segmentation.volumes",
                              fix="Write voxel_um = 1.7.")  # fmt: skip
    return float(given if given is not None else file.voxel_um)  # type: ignore[arg-type]


def _of_tomography(job: Run) -> list[Scan]:
    from .running import Listener
    from .tomography_source import series

    if job.experiment.tomography is None:
        raise ExperimentError("there are no volumes to segment", where="segmentation.volumes",
                              fix="Write volumes = ..., or a section [tomography].")  # fmt: skip
    volumes = series(
        replace(job, listener=Listener(), notes=[])
    )  # they are there; what is to be said of them was said
    found = []
    for number, one in enumerate(volumes, 1):
        file = replace(open_volume(Path(one.path)), digest=one.digest, flip=one.flip)
        since = 0.0 if len(volumes) == 1 else one.utc - volumes[0].utc
        found.append(Scan(file, number, one.voxel_um, since))
    return found


def classifier_of(job: Run, section: SegmentationSection, scans: list[Scan]) -> Classifier | None:
    """The model that is named, or one trained on the labels that are named, or on what was painted in the page."""
    if section.model is not None:
        found = read_classifier(Path(section.model))
        if section.phases is not None and tuple(section.phases) != found.phases:
            raise ExperimentError(
                f"the model knows {', '.join(found.phases)}; phases names {', '.join(section.phases)}",
                where="segmentation.phases", fix="Leave phases out, or train a model of these.",
            )  # fmt: skip
        return found
    known = training(job, section, scans)
    if not known:
        return None
    how = settings_of(section)
    begun = time.perf_counter()

    def tell(entry: dict[str, float]) -> None:
        job.listener.progress("segmentation, training", int(entry["epoch"]) + 1, section.epochs)

    job.listener.say("segmentation", f"training on {sum(int((k.labels > 0).sum()) for k in known):,} voxels")
    try:
        made = train(known, how, job.folder / "segmentation" / section.method, tell=tell)
    except InputError as error:
        raise type(error)(
            error.what, where=_placed("segmentation.train", error.where), fix=error.fix
        ) from error
    inputs = {f"labels of {k.scan.name}": k.digest for k in known}
    job.stages.processes.append(
        Process("segmentation_train", "1", time.perf_counter() - begun, {"how": repr(how)}, inputs, made.kind)
    )
    return made


def _placed(key: str, where: str) -> str:
    """A place that names the file where the error does, else the key of the experiment file."""
    return where if "." in where or "/" in where else key


def settings_of(section: SegmentationSection) -> Settings:
    if section.method == "forest":
        return ForestSettings(
            section.dimensions, tuple(section.sigmas), section.trees, section.depth, section.seed
        )
    return NetSettings(section.encoder, section.neighbours, section.across, (section.patch[0], section.patch[1]),
                       section.epochs, section.time_s, section.seed)  # fmt: skip


def training(job: Run, section: SegmentationSection, scans: list[Scan]) -> list[Known]:
    if section.train is not None:
        return all_known(section.train, section, scans, "segmentation.train")
    found: list[Known] = []
    for scan in scans:
        path = job.folder / PAINTING / f"{scan.name}.json"
        if path.exists():
            found += read_known(path, scan, section.phases)
    return found


def all_known(
    items: list[LabelledSection], section: SegmentationSection, scans: list[Scan], where: str
) -> list[Known]:
    return [k for n, item in enumerate(items) for k in known_of(item, section, scans, f"{where}.{n}")]


def known_of(
    item: LabelledSection, section: SegmentationSection, scans: list[Scan], where: str
) -> list[Known]:
    if item.scan is not None:
        if item.scan > len(scans):
            raise ExperimentError(f"there is no scan {item.scan}, only {len(scans)}", where=where,
                                  fix="Scans are counted from 1 in order of time.")  # fmt: skip
        scan = scans[item.scan - 1]
    else:
        names = [item.volume] if isinstance(item.volume, str) else list(item.volume or [])
        if len(names) != 1:
            raise ExperimentError(
                f"{len(names)} volumes for one file of labels", where=where, fix="Name one volume."
            )
        file = open_volume(names[0])
        scan = Scan(file, 0, _voxel(file, section.voxel_um or scans[0].voxel_um), np.nan)
    return read_known(Path(item.labels), scan, section.phases, item.values)


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
    if section.phases is None:
        section = section.model_copy(update={"phases": list(classifier.phases)})
    known = all_known(section.held, section, scans, "segmentation.held")
    learned = set() if section.model else _planes(training(job, section, scans))
    both = len(learned & _planes(known))
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


def _planes(known: list[Known]) -> set[tuple[Path, int]]:
    """Slices along z that hold labels."""
    return {
        (k.scan.file.path, int(z) + k.box[0].start)
        for k in known
        for z in np.flatnonzero(k.labels.any((1, 2)))
    }


def segmented(
    job: Run, section: SegmentationSection, scan: Scan, classifier: Classifier, calibration: Calibration
) -> Segmented:
    job.listener.say("segmentation", f"{scan.name}: {classifier.kind}")
    begun = time.perf_counter()
    target = job.folder / "segmentation" / f"{scan.name}.zarr"

    def told(done: int, total: int) -> None:
        job.listener.progress(f"segmentation {scan.name}", done, total)

    made = segment_volume(
        scan, classifier, target, calibration=calibration, memory_gb=section.memory_gb, progress=told
    )
    inputs = {"volume": scan.file.digest, "classifier": classifier.digest}
    job.stages.processes.append(
        Process("segmentation_predict", "1", time.perf_counter() - begun, {"calibration": repr(calibration)}, inputs,
                f"segmentation/{target.name}")
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


def about_model(classifier: Classifier) -> xr.Dataset:
    """What the features count (forest), or the history of the training (U-Net)."""
    model = classifier.model
    if classifier.is_net:
        names = ("loss", "held_loss", "held_dice", "held_worst_dice", "seconds")
        history = {n: quantity(np.array([h[n] for h in model.history]), "epoch", "s" if n == "seconds" else "1", n)
                   for n in names if model.history}  # fmt: skip
        return xr.Dataset(history, attrs={"kind": classifier.kind, "weights": model.weights})
    importance = model.facts["importance"]
    return xr.Dataset(
        {"importance": quantity(np.array(list(importance.values())), "feature", "1", "importance of the feature")},
        coords={"feature": list(importance)},
        attrs={"kind": classifier.kind, "out_of_bag_accuracy": model.facts["out_of_bag_accuracy"],
               "painted": [f"{n}: {c}" for n, c in model.facts["painted"].items()]},
    )  # fmt: skip


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
