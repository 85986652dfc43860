"""Makes an entry of the zoo from a finished run and its bundles."""

import dataclasses
import json
import pathlib
import platform
import re
import shutil

import numpy as np
import tensorflow as tf

from ddi_tf import base_checkpoint
from ddi_tf import errors
from ddi_tf import latency
from ddi_tf import new_folder
from ddi_tf import progress
from ddi_tf import steering
from ddi_tf import storage
from ddi_tf import trace_files
from ddi_tf.zoo import card
from ddi_tf.zoo import device_results
from ddi_tf.zoo import entry as entry_lib
from ddi_tf.zoo import manifests
from ddi_tf.zoo import sums

_COPIED = ("run.json", "metrics.jsonl")

# What logits of traces are multiples of, in float16: a third of the bytes.
# Pictures and errors of calibration need no more; predictions and entropies are
# exact.
_LOGIT_STEP = 1 / 16

# Headings that the notes must have.
_HEADINGS = ("Intended use", "Limits")

# What describes the network and its training, and names no place.
_RECIPE = re.compile(r"--(no)?(data_|loss_|model_|train_|target_cost|seed|"
                     r"deterministic)(?!dir=|cache=|download|memory_gb)")

# Of these, what the entry itself has in their place: a path below it.
_OWN = {"--train_base_checkpoint": "",
        "--loss_latency_profile": f"/{entry_lib.PROFILE}"}


@dataclasses.dataclass(frozen=True)
class Sources:
    """What an entry is made of.

    Attributes:
        run: `run_folder.RunFolder`, finished, with traces of tune and test.
        bundles: folders of bundles that were exported from it.
        notes: Markdown that says what the network is for, and its limits.
        hardware: that trained it, in words.
        test: `data.Split` that the bundles are run on.
    """

    run: object
    bundles: tuple
    notes: str
    hardware: str
    test: object


def pack(sources, where):
    """Writes an entry, whole or not at all.

    Args:
        sources: `Sources`.
        where: path of the entry, ZOO/NAME, not existing.

    Returns:
        `card.values` of it.

    Raises:
        CheckpointError, TracesError: the run is not finished, or its traces
            are missing or of another network.
        ZooError: bundles or notes do not fit, or it would be too large.
        StorageError: `where` exists, or cannot be written.
    """
    where = pathlib.Path(where)
    new_folder.check_absent(where)
    check_notes(sources.notes)
    _check_finished(sources.run)
    traces = {split: trace_files.load_of(sources.run, split)
              for split in card.SPLITS}
    bundles = _checked(sources)
    with storage.writing(where), new_folder.written(where) as path:
        entry = entry_lib.Entry(path)
        _copy_run(sources.run, entry, where)
        _copy_traces(traces, entry, where.name)
        for name, bundle in bundles.items():
            shutil.copytree(bundle, path / name)
        (path / "notes.md").write_text(sources.notes, encoding="utf-8")
        _write_json(path / "entry.json", {
            "format_version": entry_lib.FORMAT_VERSION, "name": where.name,
            "hardware": sources.hardware, "machine": platform.machine(),
            "bundles": _measured(sources, entry, bundles)})
        found = card.values(entry)
        (path / "card.json").write_text(card.as_json(found), encoding="utf-8")
        (path / "card.md").write_text(
            card.page(found, sources.notes), encoding="utf-8")
        sums.write(path)
        _check_size(where.parent)
        for file in path.rglob("*"):
            storage.sync(file)
    storage.sync(where.parent)
    return found


def check_notes(notes):
    """Raises ZooError unless notes say what the network is for, and limits."""
    missing = [heading for heading in _HEADINGS
               if f"\n## {heading}\n" not in f"\n{notes}\n"]
    if missing:
        raise errors.ZooError(
            "the notes must say what the network is for and what it is not "
            f"good at, under the headings {_listed(_HEADINGS)}; "
            f"{_listed(missing)} not found.")


def _listed(headings):
    return " and ".join(f"'## {heading}'" for heading in headings)


def _check_finished(run):
    run.settings  # that it is a run at all comes first
    missing = [name for name in (
        "operating_points.json", "summary.json", "metrics.jsonl")
        if not (run.path / name).exists()]
    if missing or not run.operating_points:
        raise errors.CheckpointError(
            f"{run.path} is not finished: it has no "
            f"{' and no '.join(missing) or 'operating points'} yet. Finish it "
            f"by --flagfile={run.path / 'flags.cfg'}.")


def _checked(sources):
    """{folder in the entry: bundle} of the given bundles."""
    found = {}
    for bundle in sources.bundles:
        manifest = manifests.read(bundle)
        manifests.check_same_run(bundle, manifest, sources.run)
        if manifest.folder in found:
            raise errors.ZooError(
                f"{found[manifest.folder]} and {bundle} are both of "
                f"{manifest.folder} numbers: an entry holds one of each kind.")
        found[manifest.folder] = bundle
    return found


def _copy_run(run, entry, where):
    """The run's texts, and its networks without what an optimizer keeps."""
    for name in _COPIED:
        shutil.copyfile(run.path / name, entry.path / name)
    if medians := run.settings.get("resource", {}).get("median_ms"):
        _write_json(entry.path / entry_lib.PROFILE, latency.profile(medians))
    flags = list(recipe(run.flags, where))
    (entry.path / "flags.cfg").write_text(
        "".join(f"{line}\n" for line in flags), encoding="utf-8")
    _write_json(entry.path / "summary.json", {
        **entry_lib.Entry(run.path).json("summary.json"),
        "run": where.name, "flags": flags})
    entry.run.save_operating_points(run.operating_points)
    step = int(run.latest_prefix.rpartition("-")[2])
    # A run that trains on takes the price of work, too.
    steered = steering.Steering(run.settings["schedule"]["alpha"])
    run.restore_steering(steered)
    entry.run.checkpoints.save(tf.train.Checkpoint(
        network=run.load_network(), steering=steered), step)
    base_checkpoint.write_small(
        run.load_network("base"), entry.run.phase_prefix("base"))


def recipe(flags, where):
    """The flags that describe network and training; none names a place.

    Args:
        flags: lines of a run's flags.cfg.
        where: of the entry, which a base network and a latency profile are
            then taken from.
    """
    for line in flags:
        name, equals, value = line.partition("=")
        if name in _OWN:
            yield f"{name}={where.parent.name}/{where.name}{_OWN[name]}"
        elif _RECIPE.match(line):
            # A place of this machine means nothing on others.
            yield name + equals + (
                pathlib.Path(value).name if value.startswith("/") else value)


def _copy_traces(traces, entry, name):
    """Traces, of the entry's own checkpoint, without images, logits rounded."""
    for split, recorded in traces.items():
        about = dataclasses.replace(
            recorded.about, run=name, best=False,
            fingerprint=trace_files.fingerprint(
                entry.run, recorded.traces.labels))
        trace_files.save(
            trace_files.path(entry.path, split), recorded._replace(
                about=about, examples=recorded.examples[:0],
                traces=recorded.traces._replace(
                    logits=_coarse(recorded.traces.logits)),
                base_logits=_coarse(recorded.base_logits),
                example_indices=np.array([], int)))


def _coarse(logits):
    """[..., C] logits rounded to `_LOGIT_STEP`; the largest stays the largest.
    """
    winner = logits.argmax(axis=-1)[..., np.newaxis]
    steps = np.round(logits / _LOGIT_STEP)
    tied = steps.argmax(axis=-1)[..., np.newaxis] != winner
    np.put_along_axis(steps, winner, np.take_along_axis(
        steps, winner, axis=-1) + tied, axis=-1)
    return (_LOGIT_STEP * steps).astype(np.float16)


def _measured(sources, entry, bundles):
    """{folder: `device_results.measure`} of the copied bundles."""
    points = sources.run.operating_points
    with progress.bar("test images on the device's command", len(
            bundles) * len(device_results.ways(points))) as step:
        return {name: device_results.measure(
            entry.path / name, points, sources.test, step) for name in bundles}


def _check_size(zoo):
    if (found := entry_lib.size(zoo)) > entry_lib.MOST_BYTES:
        raise errors.ZooError(
            f"{zoo} would take {found / 1e6:.1f} MB, more than "
            f"{entry_lib.MOST_BYTES / 1e6:.0f} MB: pack fewer bundles, or "
            "delete an entry.")


def _write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
