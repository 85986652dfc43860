"""Whether Keras and the device controller say the same on a whole split.

    python benchmarks/parity.py --run=RUN --bundle=BUNDLE --split=test
"""

import json
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

import numpy as np
from absl import app
from absl import flags
from rich.console import Console
from rich.progress import track

from ddi_tf import data
from ddi_tf import data_flags
from ddi_tf import run_folder
from ddi_tf import thresholds as thresholds_lib
from ddi_tf import traces
from device import bundle as bundle_lib
from device import controller as controller_lib

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)
_BUNDLE = flags.DEFINE_string("bundle", None, "Its bundle.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", data.SPLITS, "Images to compare.")

LOGIT_TOLERANCE = 1e-4


def main(argv):
    del argv
    quiet.tensorflow_logs()
    folder = run_folder.RunFolder(_RUN.value)
    dataset = data_flags.load_of(folder.settings)
    split = dataset.part(_SPLIT.value)
    network = folder.load_network()
    keras = traces.Tracer(network, dataset.scaling).collect(split)
    bundle = bundle_lib.load(_BUNDLE.value)
    point = bundle.operating_point("default")
    with controller_lib.Controller(bundle) as controller:
        result = {
            "run": str(folder.path), "commit": folder.settings["commit"],
            "split": _SPLIT.value, "images": len(split.images),
            "without exits": compare(
                controller, split, keras, network.costs,
                [None] * len(bundle.exits)),
            "exits at default": compare(
                controller, split, keras, network.costs, point.thresholds)}
    print(json.dumps(result, indent=1))
    sys.exit(0 if all(
        result[name]["identical"] >= 0.9999 * len(split.images)
        for name in ("without exits", "exits at default")) else 1)


def compare(controller, split, keras, costs, thresholds):
    """Accuracy and MACs from both, and how many images differ.

    An image is identical if label, exit, MACs and every gate decision on its
    way are.
    """
    expected = thresholds_lib.apply(keras, keras.macs(costs), thresholds)
    answers = [controller.classify(image, thresholds=thresholds)
               for image in track(split.images, console=Console(stderr=True))]
    identical, difference = [], 0.0
    for n, answer in enumerate(answers):
        leaf = expected.exits[n]
        passed = (len(keras.masks) if leaf == len(costs.exits)
                  else costs.exit_after[leaf] + 1)
        same = (answer.label == keras.predictions[n, leaf]
                and answer.macs == expected.cost[n]
                and answer.path == _path(keras, n, passed))
        identical.append(same)
        if same:
            difference = max(difference, float(np.abs(
                answer.logits - keras.logits[n, leaf]).max()))
    right = [answer.label == label
             for answer, label in zip(answers, split.labels)]
    return {
        "keras": {"accuracy": float(expected.correct.mean()),
                  "mean_macs": float(expected.cost.mean())},
        "device": {"accuracy": float(np.mean(right)),
                   "mean_macs": float(np.mean([a.macs for a in answers]))},
        "mean_macs_of_base": float(expected.cost.mean() / costs.base),
        "identical": int(np.sum(identical)),
        "largest_logit_difference": difference,
        "logits_within": LOGIT_TOLERANCE,
        "logits_agree": difference <= LOGIT_TOLERANCE}


def _path(keras, image, blocks):
    """What `Answer.path` should be for the first `blocks` blocks."""
    return tuple(
        tuple(np.flatnonzero(keras.masks[k][image]).tolist())
        if keras.layers[image, k] else () for k in range(blocks))


if __name__ == "__main__":
    app.run(main)
