"""What gates and exits give, against the same network run in full.

    python benchmarks/compare.py --run=RUN --bundle=BUNDLE --split=test

"in full" is the backbone as the base phase left it, as one .tflite graph;
"gated" is the bundle with exits off; then come its operating points. All see
every image in turn, on one thread.
"""

import functools
import time

from ddi_tf import quiet  # first: it loads TensorFlow silently

import numpy as np
from absl import app
from absl import flags
from rich.console import Console
from rich.progress import track
from rich.table import Table

import monolith
import results
from converters import bundling
from ddi_tf import data
from ddi_tf import data_flags
from ddi_tf import run_folder
from device import bundle as bundle_lib
from device import answers
from device import controller as controller_lib
from device import summary

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)
_BUNDLE = flags.DEFINE_string("bundle", None, "Its bundle.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", data.SPLITS, "Images to classify.")
_OUTPUT = flags.DEFINE_string("output", None, "File for the JSON, if any.")


def main(argv):
    del argv
    quiet.tensorflow_logs()
    results.report(_measured, _print, _OUTPUT.value)


def _measured():
    folder = run_folder.RunFolder(_RUN.value)
    settings = folder.settings
    dataset = data_flags.load_of(settings)
    split = dataset.part(_SPLIT.value)
    bundle = bundle_lib.load(_BUNDLE.value)
    content = bundling.whole(folder.load_network("base")).content
    with controller_lib.Controller(bundle) as controller:
        rows = measure(_ways(controller, content, bundle), split, bundle)
    return {"run": str(folder.path), "commit": settings["commit"],
            "seed": settings["schedule"]["seed"], "data": dataset.name,
            "split": _SPLIT.value, "images": len(split.images), "rows": rows}


def _ways(controller, content, bundle):
    """name -> callable of one image, returning a `answers.Answer`."""
    whole = monolith.Monolith(content, controller, bundle)
    every = tuple(tuple(range(step.groups))
                  for step in bundle.manifest.plan.steps)

    def in_full(image):
        started = time.perf_counter()
        probabilities = whole.classify(image)
        return answers.Answer(
            int(probabilities.argmax()), probabilities, probabilities, "head",
            0.0, every, bundle.manifest.base_macs, 0,
            1e3 * (time.perf_counter() - started))

    return {
        "in full": in_full, "gated": controller.classify,
        **{f"gated, exits at {point.name}": functools.partial(
            controller.classify, thresholds=point.thresholds)
           for point in bundle.manifest.operating_points}}


def measure(ways, split, bundle):
    """name -> accuracy, cost, skip ratio, exits and latency of each way."""
    for image in split.images[:20]:  # warm-up
        for way in ways.values():
            way(image)
    summaries = {name: summary.Summary(bundle) for name in ways}
    latencies = {name: [] for name in ways}
    for image, label in track(
            list(zip(split.images, split.labels)), description="comparing",
            console=Console(stderr=True)):
        for name, way in ways.items():
            answer = way(image)
            summaries[name].add(answer, label)
            latencies[name].append(answer.latency_ms)
    latencies = {name: np.array(values) for name, values in latencies.items()}
    return {name: {
        **summaries[name].values(),
        "latency_ms_mean": float(latencies[name].mean()),
        "latency_of_full_median": float(
            np.median(latencies[name] / latencies["in full"]))}
        for name in ways}


def _print(result):
    table = Table(title=f"{result['images']} {result['split']} images of "
                  f"{result['data']}, {result['run']}")
    table.add_column("", no_wrap=True)
    for name in ("accuracy", "mean MACs", "of full", "skip ratio",
                 "mean latency", "of full", "left at"):
        table.add_column(name, justify="right")
    for name, row in result["rows"].items():
        table.add_row(
            name, f"{100 * row['accuracy']:.2f}%", f"{row['mean_macs']:,.0f}",
            f"{100 * row['mean_macs_of_base']:.1f}%",
            f"{100 * row['skip_ratio']:.1f}%",
            f"{row['latency_ms_mean']:.3f} ms",
            f"{100 * row['latency_of_full_median']:.0f}%",
            "  ".join(f"{exit_} {count}"
                      for exit_, count in sorted(row["exits"].items())))
    Console(width=max(120, Console().width)).print(table)


if __name__ == "__main__":
    app.run(main)
