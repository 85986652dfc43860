"""Real channel skipping: is a block of half its channels faster, and how much?

    python benchmarks/make_models.py --output=runs/latency_models
    python benchmarks/channel_widths.py --models=runs/latency_models

blocks   per block the graph of half the inner channels against the one of all:
         features copied in, the graph run, its output taken, as the controller
         does; in turns. And the sums over each stage, and over stages 2 and 3.
images   an image to its label, half the channels wanted in stages 2 and 3,
         against all channels; and the same by a controller that has one graph
         per block, which masks: what a bundle without widths does.
"""

import collections
import dataclasses
import json
import pathlib
import time

import numpy as np
from absl import app
from absl import flags

import timing
from device import bundle as bundle_lib
from device import controller as controller_lib
from device import runtime

_MODELS = flags.DEFINE_string(
    "models", None, "Folder that make_models.py wrote.", required=True)
_RUNS = flags.DEFINE_integer("runs", 500, "Runs of each, in turns.",
                             lower_bound=10)

_NARROWED = ("stage2", "stage3")
_WARMUP = 20
# Images that one way takes before it is the other's turn.
_BURST = 20


def main(argv):
    del argv
    bundle = bundle_lib.load(pathlib.Path(_MODELS.value) / "bundle")
    controller = controller_lib.Controller(bundle)
    blocks = {block.step.name: half_of_full(block, _RUNS.value)
              for block in controller.blocks}
    print(json.dumps({
        "interpreter": runtime.Interpreter.__module__,
        "numbers": bundle.manifest.numbers.kind, "runs": _RUNS.value,
        "threads": 1, "blocks": blocks, "stages": by_stage(blocks),
        "images": images(bundle, controller, _RUNS.value)}, indent=1))


def half_of_full(block, runs):
    """Median ms of a block's graphs of half and of all groups, in turns."""
    total = block.step.groups
    ways = {"half": tuple(range(total // 2)), "full": tuple(range(total))}
    calls = {}
    for name, groups in ways.items():
        index = block.choose(groups)
        node = block.variants[index]
        spec = block.spec(index).inputs[0]
        features = np.random.default_rng(0).integers(
            0, 127, spec.shape).astype(spec.dtype)
        calls[name] = (node.graph, (features, *block.masks(index, groups)))
    times = {name: [] for name in ways}
    for turn in range(_WARMUP + runs):
        for name, (graph, inputs) in calls.items():
            started = time.perf_counter()
            graph.run(*inputs)
            graph.view()
            if turn >= _WARMUP:
                times[name].append(1e3 * (time.perf_counter() - started))
    medians = {f"{name}_ms": float(np.median(own))
               for name, own in times.items()}
    return {**medians, "ratio": float(np.median(
        np.array(times["half"]) / np.array(times["full"])))}


def by_stage(blocks):
    """Stage, and all narrowed ones -> half / full of their blocks' sums."""
    sums = collections.defaultdict(lambda: np.zeros(2))
    for name, found in blocks.items():
        stage = name.split("_")[0]
        for key in (stage, *(["stages 2 and 3"] if stage in _NARROWED else [])):
            sums[key] += (found["half_ms"], found["full_ms"])
    return {stage: round(half / full, 4)
            for stage, (half, full) in sorted(sums.items())}


def images(bundle, controller, runs):
    """Half the channels in stages 2 and 3 against all, whole images."""
    steps = bundle.manifest.plan.steps
    full = [tuple(range(step.groups)) for step in steps]
    half = [groups[:len(groups) // 2] if step.name.startswith(_NARROWED)
            else groups for step, groups in zip(steps, full)]
    photos = np.random.default_rng(0).integers(
        0, 256, [runs, *bundle.manifest.input.shape], np.uint8)
    whole = lambda image: controller.classify(image, forced=full)
    masking = controller_lib.Controller(widest_only(bundle))
    return timing.against(
        {"half the channels": lambda image: controller.classify(
            image, forced=half),
         "half the channels, without widths": lambda image: masking.classify(
             image, forced=full)}, whole, photos, _BURST)


def widest_only(bundle):
    """The bundle with each block's graph of all groups as its only one.

    Where it takes no mask it stands for one that does: it computes as much.
    """
    steps = tuple(dataclasses.replace(step, variants=tuple(
        variant for variant in step.variants
        if len(variant.groups) == step.groups))
        for step in bundle.manifest.plan.steps)
    return bundle_lib.Bundle(
        bundle.folder, dataclasses.replace(
            bundle.manifest, plan=dataclasses.replace(
                bundle.manifest.plan, steps=steps)),
        {name: bundle.content(name) for name in bundle.graphs})


if __name__ == "__main__":
    app.run(main)
