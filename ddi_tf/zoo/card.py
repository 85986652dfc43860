"""An entry's card: its numbers, made of its other files and of nothing else."""

import json
import pathlib

import jinja2

from ddi_tf import evaluation
from ddi_tf import run_settings
from ddi_tf import settled_gates
from ddi_tf import trace_files
from ddi_tf import units
from ddi_tf.zoo import manifests

SPLITS = ("tune", "test")

# Sums over images differ in their last digits between versions of numpy.
_DIGITS = 7


def values(entry):
    """All numbers of an entry, as a dict for JSON.

    Args:
        entry: `entry.Entry`.

    Raises:
        ZooError, TracesError, CheckpointError: a file of it is missing or
            damaged, or traces are of another network.
    """
    facts, summary = entry.facts, entry.json("summary.json")
    settings = entry.run.settings
    recorded = {split: trace_files.load_of(entry.run, split)
                for split in SPLITS}
    about = recorded["test"].about
    return _rounded({
        "format_version": facts["format_version"], "name": facts["name"],
        "network": summary["network"],
        "settled": settled_gates.counts(settings["network"].get("settled", ())),
        "data": {
            "name": settings["data"]["name"],
            "classes": len(settings["data"]["label_names"]),
            "images": {split: len(found.traces.labels)
                       for split, found in recorded.items()}},
        "training": {
            "commit": settings["commit"], "seed": about.seed,
            "numbers": "rounded as int8 graphs round" if (
                run_settings.quantizes(settings)) else "float32",
            "target": summary["target"], "hardware": facts["hardware"],
            "phases": [{key: phase[key] for key in (
                "name", "epochs", "seconds")} for phase in summary["phases"]]},
        "resources": {name: {key: resource[key] for key in ("unit", "source")}
                      for name, resource in about.resources.items()},
        "points": _points(recorded, entry.run.operating_points),
        "bundles": {folder: _bundle(entry.path / folder, results, facts)
                    for folder, results in facts["bundles"].items()}})


def _points(recorded, points):
    """{way to run the network: {split: accuracy, mean costs, exits}}."""
    found = {split: evaluation.report(traces, points)["operating_points"]
             for split, traces in recorded.items()}
    return {name: {split: found[split][name] for split in SPLITS}
            for name in found["test"]}


def _bundle(path, results, facts):
    manifest = manifests.read(path)
    return {"bytes": manifest.bytes, "commit": manifest.commit,
            "energy_model": manifest.energy_model,
            "calibration": manifest.calibration,
            "machine": facts["machine"], "points": results}


def _rounded(value):
    """A JSON value with floats of `_DIGITS` significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(part) for part in value]
    return value


def as_json(found):
    """`values` as the text of card.json."""
    return json.dumps(found, indent=1) + "\n"


def page(found, notes):
    """card.md.

    Args:
        found: `values`.
        notes: Markdown written by hand.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True)
    environment.filters.update(
        percent=lambda share: f"{100 * share:.2f}%", words=units.in_words,
        count=lambda number: f"{number:,}",
        minutes=lambda seconds: f"{seconds / 60:.1f}")
    return environment.get_template("card.md.j2").render(
        card=found, notes=notes.strip())
