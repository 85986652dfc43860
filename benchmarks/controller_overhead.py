"""How much of an image's time is the controller's own, beside its graphs.

    python benchmarks/controller_overhead.py --bundle=BUNDLE [--input=IMAGES]

What a graph takes is its `invoke`; all else is the controller's: Python, copies
into and out of graphs, entropy, decisions. Printed as one line of JSON; medians
of per-image figures, in microseconds.
"""

import json
import platform
import time

import numpy as np
from absl import app
from absl import flags

from device import bundle as bundle_lib
from device import controller as controller_lib
from device import images
from device import machine
from device import measure
from device import runtime

_BUNDLE = flags.DEFINE_string("bundle", None, "Bundle.", required=True)
_INPUT = flags.DEFINE_string(
    "input", None, "Images to classify: folder or .npz. Default: noise.")
_RUNS = flags.DEFINE_integer("runs", 500, "Images per way.", lower_bound=10)

_WARMUP = 50
_IMAGES = 64


class Stopwatch:
    """Adds up the time that graphs take.

    Attributes:
        invokes: how many.
        nanoseconds: of all of them.
    """

    def __init__(self):
        self.reset()

    def reset(self):
        self.invokes = self.nanoseconds = 0

    def make_graph(self, spec, content):
        """A `runtime.Graph` whose interpreter is timed."""
        graph = runtime.Graph(spec, content)
        invoke = graph.invoke

        def timed():
            started = time.perf_counter_ns()
            invoke()
            self.nanoseconds += time.perf_counter_ns() - started
            self.invokes += 1

        graph.invoke = timed
        return graph


def main(argv):
    del argv
    bundle = bundle_lib.load(_BUNDLE.value)
    found = list(images.first(
        _INPUT.value, bundle.manifest.input.shape, _IMAGES))
    watch = Stopwatch()
    with controller_lib.Controller(
            bundle, make_graph=watch.make_graph) as controller:
        ways = {
            "every block, decisions given": {
                "forced": measure.all_open(controller)},
            "gates asked, no exits": {},
            "shortest": {"max_macs": controller.costs.cheapest}}
        for point in bundle.manifest.operating_points[:1]:
            ways[f"gates and exits ({point.name})"] = {
                "thresholds": point.thresholds}
        rows = {name: _measure(controller, watch, found, options)
                for name, options in ways.items()}
    print(json.dumps({
        "bundle": bundle.folder.name, "interpreter": vars(
            machine.interpreter()), "machine": platform.machine(),
        "threads": 1, "runs": _RUNS.value, "ways": rows}))


def _measure(controller, watch, found, options):
    """Medians over images that are classified one way."""
    rows = []
    for number in range(_WARMUP + _RUNS.value):
        image = found[number % len(found)]
        watch.reset()
        started = time.perf_counter_ns()
        controller.classify(image, **options)
        whole = time.perf_counter_ns() - started
        rows.append((watch.invokes, watch.nanoseconds,
                     whole - watch.nanoseconds))
    invokes, graphs, own = np.array(rows[_WARMUP:], float).T
    return {
        "invokes": float(np.median(invokes)),
        "graphs_us": round(float(np.median(graphs)) / 1e3, 1),
        "own_us": round(float(np.median(own)) / 1e3, 1),
        "own_of_graphs_percent": round(100 * float(np.median(own / graphs)), 1)}


if __name__ == "__main__":
    app.run(main)
