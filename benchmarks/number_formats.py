"""What float16, dynamic-range and int8 bundles cost in answers and give in time.

    python benchmarks/number_formats.py --run=RUN --split=test \
        --bundles=FLOAT,FLOAT16,DYNAMIC,INT8,...

Every bundle classifies every image, in turns, on one thread; the first is what
the others are compared with. Of each, with exits off and at its default
operating point:

    accuracy    share of right answers, and the difference to the first bundle
    agreement   share of images with the first bundle's answer; of blocks passed
                in both, with the same layer decision, and the same channels;
                and of images that leave at the same exit
    latency     median, and the median ratio to the first, image by image
"""

import json

from ddi_tf import quiet  # first: it loads TensorFlow silently

import numpy as np
from absl import app
from absl import flags
from rich.console import Console
from rich.progress import track

from ddi_tf import data
from ddi_tf import data_flags
from ddi_tf import run_folder
from device import bundle as bundle_lib
from device import controller as controller_lib

_RUN = flags.DEFINE_string(
    "run", None, "Folder of the run; its data are taken.", required=True)
_BUNDLES = flags.DEFINE_list(
    "bundles", None, "Bundles of one network; the first is the reference.",
    required=True)
_SPLIT = flags.DEFINE_enum("split", "test", data.SPLITS, "Images to classify.")
_IMAGES = flags.DEFINE_integer(
    "images", None, "Only the first so many; unset: all.", lower_bound=1)

_WARMUP = 20


def main(argv):
    del argv
    quiet.tensorflow_logs()
    dataset = data_flags.load_of(run_folder.RunFolder(_RUN.value).settings)
    split = dataset.part(_SPLIT.value)
    images, labels = (part[:_IMAGES.value] for part in split)
    bundles = [bundle_lib.load(path) for path in _BUNDLES.value]
    controllers = [controller_lib.Controller(bundle) for bundle in bundles]
    result = {"run": _RUN.value, "split": _SPLIT.value, "images": len(images),
              "commit": run_folder.commit()}
    for way, thresholds in (
            ("exits off", lambda bundle: None),
            ("default", lambda bundle: bundle.operating_point(
                "default").thresholds)):
        answers = classify(controllers, [thresholds(b) for b in bundles],
                           images, way)
        result[way] = {
            path: {**size(bundle), **compare(own, answers[0], labels)}
            for path, bundle, own in zip(_BUNDLES.value, bundles, answers)}
    print(json.dumps(result, indent=1))


def classify(controllers, thresholds, images, description):
    """Per controller the list of its `answers.Answer`s, all in turns."""
    for image in images[:_WARMUP]:
        for controller, own in zip(controllers, thresholds):
            controller.classify(image, thresholds=own)
    answers = [[] for _ in controllers]
    for image in track(images, description=description,
                       console=Console(stderr=True)):
        for controller, own, given in zip(controllers, thresholds, answers):
            given.append(controller.classify(image, thresholds=own))
    return answers


def size(bundle):
    """Kind of numbers, and bytes of the graphs."""
    return {"numbers": bundle.manifest.numbers.kind,
            "bytes": sum(graph.bytes for graph in bundle.manifest.graphs),
            "commit": bundle.manifest.provenance.commit}


def compare(answers, reference, labels):
    """Accuracy, agreement with `reference` and latency."""
    right, right_there = (
        100 * np.mean([a.label == label for a, label in zip(given, labels)])
        for given in (answers, reference))
    blocks = [(own, other) for a, b in zip(answers, reference)
              for own, other in zip(a.path, b.path)]
    percent = lambda pairs: round(
        100 * float(np.mean([a == b for a, b in pairs])), 3)
    latency, latency_there = (np.array([a.latency_ms for a in given])
                              for given in (answers, reference))
    return {
        "accuracy": round(float(right), 3),
        "accuracy_difference": round(float(right - right_there), 3),
        "same_answer": percent((a.label, b.label)
                               for a, b in zip(answers, reference)),
        "same_layer_decision": percent((bool(a), bool(b)) for a, b in blocks),
        "same_channels": percent(blocks),
        "same_path": percent((a.path, b.path)
                             for a, b in zip(answers, reference)),
        "same_exit": percent((a.exit, b.exit)
                             for a, b in zip(answers, reference)),
        "mean_macs": round(float(np.mean([a.macs for a in answers]))),
        "latency_ms_median": round(float(np.median(latency)), 4),
        "latency_ratio": round(float(np.median(latency / latency_there)), 4),
        "latency_ratio_quartiles": [
            round(float(np.percentile(latency / latency_there, q)), 4)
            for q in (25, 75)]}


if __name__ == "__main__":
    app.run(main)
