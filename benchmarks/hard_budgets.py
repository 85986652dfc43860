"""Whether any image ever passes its hard budget.

    python benchmarks/hard_budgets.py --bundle=BUNDLE --input=TEST.npz
    python benchmarks/hard_budgets.py --bundle=BUNDLE --input=TEST.npz \\
        --deadlines=2 --load=4

Each image gets random budgets of MACs, as many of modelled energy, and as many of
both at once, each between the cheapest way to an answer and everything, with the
bundle's default exit thresholds. With --deadlines it gets deadlines in place of
them; this machine's profile must lie beside the bundle (`python -m
device.profile`), and --load other processes keep the machine busy meanwhile.
"""

import contextlib
import json
import multiprocessing
import sys

import numpy as np
from absl import app
from absl import flags
from rich.console import Console
from rich.progress import track

from device import budget as budget_lib
from device import bundle as bundle_lib
from device import controller as controller_lib
from device import images
from device import machine
from device import own_profile

_BUNDLE = flags.DEFINE_string("bundle", None, "Bundle.", required=True)
_INPUT = flags.DEFINE_string("input", None, ".npz of images.", required=True)
_BUDGETS = flags.DEFINE_integer("budgets", 20, "Budgets per image and kind.",
                                lower_bound=1)
_DEADLINES = flags.DEFINE_integer(
    "deadlines", 0, "Deadlines per image, in place of budgets.", lower_bound=0)
_LOAD = flags.DEFINE_integer(
    "load", 0, "Other processes that keep the machine busy.", lower_bound=0)
_SEED = flags.DEFINE_integer("seed", 0, "Of the budgets.")


def main(argv):
    del argv
    bundle = bundle_lib.load(_BUNDLE.value)
    source = images.Source(_INPUT.value)
    profile = own_profile.for_budgets(
        bundle, threads=1).profile if _DEADLINES.value else None
    with contextlib.ExitStack() as stack:
        for _ in range(_LOAD.value):
            other = multiprocessing.Process(target=_busy, daemon=True)
            other.start()
            stack.callback(other.terminate)
        controller = stack.enter_context(
            controller_lib.Controller(bundle, profile=profile))
        classify = lambda item, **limits: controller.classify(
            item.image, **limits,
            thresholds=bundle.operating_point("default").thresholds)
        items = track(source, total=len(source), console=Console(stderr=True))
        random = np.random.default_rng(_SEED.value)
        found = (_deadlines(classify, items, controller, profile, random)
                 if _DEADLINES.value else
                 _budgets(classify, items, controller, random))
    print(json.dumps({
        "interpreter": machine.interpreter().name, "images": len(source),
        "seed": _SEED.value, "load": _LOAD.value, **found}, indent=1))
    sys.exit(1 if found.get("answers_above_budget") else 0)


def _budgets(classify, items, controller, random):
    """Random budgets of MACs, of energy, and of both."""
    tariff = controller.tariff
    macs = _range(tariff.macs)
    pj = _range(tariff.energy_pj)
    above, used, hits = 0, [], []
    for item in items:
        for max_macs, max_pj in zip(
                random.integers(*macs, _BUDGETS.value, endpoint=True).tolist(),
                random.integers(*pj, _BUDGETS.value, endpoint=True).tolist()):
            for limits in ({"max_macs": max_macs},
                           {"max_energy_mj": max_pj / budget_lib.PJ_PER_MJ},
                           {"max_macs": max_macs,
                            "max_energy_mj": max_pj / budget_lib.PJ_PER_MJ}):
                answer = classify(item, **limits)
                shares = [{"max_macs": answer.macs,
                           "max_energy_mj": answer.energy_mj}[name] / most
                          for name, most in limits.items()]
                above += max(shares) > 1
                used.append(max(shares))
                hits.append(answer.label == item.label)
    return {"budgets_per_image_and_kind": _BUDGETS.value, "macs": macs,
            "energy_mj": [pj[0] / budget_lib.PJ_PER_MJ, pj[1] / budget_lib.PJ_PER_MJ],
            "answers": len(used), "answers_above_budget": int(above),
            "largest_share_of_budget_used": max(used),
            "accuracy": float(np.mean(hits))}


def _deadlines(classify, items, controller, profile, random):
    """Random deadlines from the shortest to the full path's 95th percentile."""
    least_ms = controller.tariff.least_ms
    most_ms = profile.full_path.p95_ms
    late, over, hits = 0, [], []
    for item in items:
        for deadline_ms in random.uniform(
                least_ms, most_ms, _DEADLINES.value).tolist():
            answer = classify(item, deadline_ms=deadline_ms)
            late += answer.late
            over.append(answer.latency_ms / deadline_ms)
            hits.append(answer.label == item.label)
    return {"deadlines_per_image": _DEADLINES.value,
            "deadlines_ms": [round(least_ms, 4), round(most_ms, 4)],
            "answers": len(over), "late": late,
            "late_percent": round(100 * late / len(over), 3),
            "latency_of_deadline": {
                f"p{q}": round(float(np.percentile(over, q)), 3)
                for q in (50, 95, 99, 99.9)},
            "accuracy": float(np.mean(hits))}


def _range(costs):
    """(the smallest budget, one that pays for everything) of a resource."""
    everything = costs.stem + costs.head + sum(
        step.layer_gate + step.channel_gate + max(step.variants, default=0)
        + step.exit for step in costs.steps)
    return costs.cheapest, everything


def _busy():
    while True:
        sum(range(100_000))


if __name__ == "__main__":
    app.run(main)
