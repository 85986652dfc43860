"""Whether any image ever passes its hard budget.

    python benchmarks/hard_budgets.py --bundle=BUNDLE --input=TEST.npz

Each image gets random budgets between the cheapest way to an answer and the
cost of everything, with the bundle's default exit thresholds.
"""

import json
import sys

import numpy as np
from absl import app
from absl import flags
from rich.console import Console
from rich.progress import track

from device import bundle as bundle_lib
from device import controller as controller_lib
from device import images

_BUNDLE = flags.DEFINE_string("bundle", None, "Bundle.", required=True)
_INPUT = flags.DEFINE_string("input", None, ".npz of images.", required=True)
_BUDGETS = flags.DEFINE_integer("budgets", 5, "Budgets per image.",
                                lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of the budgets.")


# Gates and exits add less than this to the plain backbone.
_EVERYTHING = 1.3


def main(argv):
    del argv
    bundle = bundle_lib.load(_BUNDLE.value)
    random = np.random.default_rng(_SEED.value)
    thresholds = bundle.operating_point("default").thresholds
    source = images.Source(_INPUT.value)
    passed, used, hits = 0, [], []
    with controller_lib.Controller(bundle) as controller:
        cheapest = controller.costs.cheapest
        everything = int(_EVERYTHING * bundle.manifest.base_macs)
        for item in track(source, total=len(source),
                          console=Console(stderr=True)):
            for budget in random.integers(
                    cheapest, everything, _BUDGETS.value, endpoint=True):
                answer = controller.classify(
                    item.image, thresholds=thresholds, max_macs=int(budget))
                passed += answer.macs > budget
                used.append(answer.macs / budget)
                hits.append(answer.label == item.label)
    print(json.dumps({
        "images": len(source), "budgets_per_image": _BUDGETS.value,
        "seed": _SEED.value, "smallest_budget": cheapest,
        "largest_budget": everything, "answers": len(used),
        "answers_above_budget": int(passed),
        "largest_share_of_budget_used": max(used),
        "accuracy": float(np.mean(hits))}, indent=1))
    sys.exit(1 if passed else 0)


if __name__ == "__main__":
    app.run(main)
