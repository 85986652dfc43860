"""Whether an entry of the zoo is what its card says: checks, one by one.

A check is a function of an `entry.Entry` that yields what is wrong, in words.
"""

import pathlib
import shutil
import tempfile

import numpy as np

from ddi_tf import errors
from ddi_tf import evaluation
from ddi_tf import progress
from ddi_tf import run_folder
from ddi_tf import run_settings
from ddi_tf import trace_files
from ddi_tf import tracing
from ddi_tf.zoo import card
from ddi_tf.zoo import device_results
from ddi_tf.zoo import entry as entry_lib
from ddi_tf.zoo import manifests
from ddi_tf.zoo import sums

# Share of the images, and of mean MACs, that another processor's rounding may
# change: 10 of CIFAR-10's test images.
TOLERANCE = 0.001


def of_files():
    """(title, check) of what needs no images, in order."""
    return (("files", lambda entry: sums.failures(entry.path)),
            ("size", _size), ("network", _network), ("bundles", _bundles),
            ("card", _card))


def of_images(dataset):
    """(title, check) of what needs the images of a `data.Dataset`."""
    return (("network on test images", lambda entry: _again(entry, dataset)),
            ("bundles on test images",
             lambda entry: _device_again(entry, dataset)))


def run(check, entry):
    """What is wrong, as a list of one-line texts; [] if nothing."""
    found = []
    try:
        for failure in check(entry):
            found.append(failure)
    except errors.DDIError as error:
        found.append(str(error))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        found.append(f"a file of {entry.path} does not hold what it should "
                     f"({error!r:.200})")
    return found


def _size(entry):
    zoo = entry.path.parent
    if (found := entry_lib.size(zoo)) > entry_lib.MOST_BYTES:
        yield (f"{zoo} takes {found / 1e6:.1f} MB, more than "
               f"{entry_lib.MOST_BYTES / 1e6:.0f} MB")


def _network(entry):
    """Checkpoints can be read; traces are of them."""
    entry.run.load_network()
    entry.run.load_network("base")
    for split in card.SPLITS:
        recorded = trace_files.load_of(entry.run, split)
        if recorded.about.settings != entry.run.settings:
            yield (f"{trace_files.path(entry.path, split)} is of a run with "
                   "other settings than run.json")


def _bundles(entry):
    """Bundles are of this run, and the device's command takes them."""
    shape = entry.run.settings["network"]["image_shape"]
    for name in entry.facts["bundles"]:
        bundle = entry.path / name
        try:
            manifests.check_same_run(
                bundle, manifests.read(bundle), entry.run)
            device_results.answers_at_all(bundle, shape)
        except errors.ZooError as error:
            yield str(error)


def _card(entry):
    """card.json and card.md are what comes of the other files."""
    found, written = card.values(entry), entry.json("card.json")
    for change in run_settings.changes(written, found):
        yield f"{entry.path / 'card.json'}: {change} by its files"
    expected = card.page(found, entry.text("notes.md")).splitlines()
    lines = entry.text("card.md").splitlines()
    for number, (line, right) in enumerate(zip(lines, expected), start=1):
        if line != right:
            yield (f"{entry.path / 'card.md'}, line {number}: expected "
                   f"{right!r:.200}, found {line!r:.200}")
    if len(lines) != len(expected):
        yield (f"{entry.path / 'card.md'}: expected {len(expected)} lines, "
               f"found {len(lines)}")


def _again(entry, dataset):
    """The network, evaluated again, does what its traces say."""
    old = trace_files.load_of(entry.run, "test")
    if not np.array_equal(old.traces.labels, dataset.test.labels):
        yield (f"the traces are of other images than the {dataset.name} found "
               "here: their labels differ")
        return
    with tempfile.TemporaryDirectory() as folder, progress.bar(
            "evaluating", len(old.traces.labels)) as step:
        # Without traces, which would be found and taken for new ones.
        copy = pathlib.Path(folder) / "run"
        copy.mkdir()
        shutil.copyfile(entry.path / "run.json", copy / "run.json")
        for name in ("checkpoints", "phases"):
            shutil.copytree(entry.path / name, copy / name)
        new = tracing.record(
            run_folder.RunFolder(copy), "test", dataset, [],
            on_images=lambda count: [step() for _ in range(count)])
    points = entry.run.operating_points
    then, now = (evaluation.report(recorded, points)["operating_points"]
                 for recorded in (old, new))
    yield from _differences("Keras", then, now)


def _device_again(entry, dataset):
    """Every bundle answers as often right, at every operating point."""
    points, results = entry.run.operating_points, entry.facts["bundles"]
    with progress.bar("test images on the device's command", len(
            results) * len(device_results.ways(points))) as step:
        for name, then in results.items():
            yield from _differences(name, then, device_results.measure(
                entry.path / name, points, dataset.test, step))


def _differences(who, then, now):
    """Says where accuracies or mean MACs differ by more than TOLERANCE."""
    for name in then:
        for key, scale in (("accuracy", 1.0),
                           ("mean_macs", then[name]["mean_macs"])):
            old, new = then[name][key], now[name][key]
            if abs(new - old) > TOLERANCE * scale:
                yield (f"{who}, {name}: {key} was {old:.7g}, is {new:.7g} now")
