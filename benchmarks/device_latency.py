"""No false economy: the controller against one monolithic graph.

    python benchmarks/device_latency.py --models=runs/latency_models

"given" ways are told what to run (the gates are not asked: the price of cutting
a network into pieces). "gated" ways run every gate and then do what they are
told (the price of cutting and deciding). Every way takes a uint8 image to a
label, scaling and softmax included.
"""

import json
import pathlib
import platform

import numpy as np
from absl import app
from absl import flags

import monolith
import timing
from device import bundle as bundle_lib
from device import controller as controller_lib
from device import runtime

_MODELS = flags.DEFINE_string(
    "models", None, "Folder that make_models.py wrote.", required=True)
_RUNS = flags.DEFINE_integer("runs", 1000, "Images, each taken every way.",
                             lower_bound=10)


# Images that one network takes before it is the other's turn.
_BURST = 20


class ToldGate:
    """A gate that is executed, and then answers what it is told.

    Args:
        graph: the real `runtime.Graph`.
        answers: stack of [1, ...] arrays to hand out, refilled by `Script`.
    """

    def __init__(self, graph, answers):
        self._graph, self._answers = graph, answers

    def run(self, *inputs):
        self._graph.run(*inputs)

    def read(self, output=0):
        real = self._graph.read(output)
        return self._answers.pop() if output == 0 else real


class Script:
    """A controller whose gates run but answer according to `path`.

    Args:
        bundle: `bundle.Bundle`.
        path: per block, whether it runs (with all its channels).
    """

    def __init__(self, bundle, path):
        self._layers, self._channels = [], []
        steps = list(zip(bundle.manifest.plan.steps, path))[::-1]
        self._yes_or_no = [np.array([[float(run)]])
                           for step, run in steps if step.layer_gate]
        self._all_groups = [
            np.ones([1, step.groups]) for step, run in steps
            if step.channel_gate and (run or not step.skippable)]
        queues = {"layer_gate": self._layers, "channel_gate": self._channels}

        def make_graph(spec, content):
            graph = runtime.Graph(spec, content)
            queue = queues.get(spec.role)
            return graph if queue is None else ToldGate(graph, queue)

        self._controller = controller_lib.Controller(
            bundle, make_graph=make_graph)

    def classify(self, image):
        self._layers[:] = self._yes_or_no
        self._channels[:] = self._all_groups
        return self._controller.classify(image)


def main(argv):
    del argv
    folder = pathlib.Path(_MODELS.value)
    bundle = bundle_lib.load(folder / "bundle")
    controller = controller_lib.Controller(bundle)
    steps = bundle.manifest.plan.steps
    every = [True] * len(steps)
    # Every second block: none that changes the shape, so half the work.
    half = [index % 2 == 0 for index in range(len(steps))]
    forced = {name: [tuple(range(step.groups)) if run else ()
                     for step, run in zip(steps, path)]
              for name, path in (("all", every), ("half", half))}
    content = (folder / "monolith.tflite").read_bytes()
    whole = monolith.Monolith(content, controller, bundle).classify
    ways = {
        "monolith": whole,
        "given, all blocks": lambda image: controller.classify(
            image, forced=forced["all"]),
        "given, half the blocks": lambda image: controller.classify(
            image, forced=forced["half"]),
        "gated, all blocks": Script(bundle, every).classify,
        "gated, half the blocks": Script(bundle, half).classify}
    images = np.random.default_rng(0).integers(
        0, 256, [_RUNS.value, *bundle.manifest.input.shape], np.uint8)
    print(json.dumps({
        "machine": platform.processor() or platform.machine(),
        "interpreter": runtime.Interpreter.__module__,
        "images": _RUNS.value, "threads": 1,
        "macs": {"monolith": bundle.manifest.base_macs, **{
            name: way(images[0]).macs for name, way in ways.items()
            if name.startswith("given")}},
        **{f"against monolith, bursts of {burst}": timing.against(
            ways, whole, images, burst) for burst in (_BURST, 1)},
    }, indent=1))


if __name__ == "__main__":
    app.run(main)
