"""Draws accuracy against executed MACs of a run, and writes the numbers.

    python benchmarks/tradeoff.py --run=RUN --output=docs/tradeoff

Thresholds are chosen on tune for a range of tolerances; what is drawn is test.
Needs matplotlib (pip install -e ".[bench]").
"""

import json
import pathlib

from ddi_tf import quiet  # first: it loads TensorFlow silently

import matplotlib
import numpy as np
from absl import app
from absl import flags

from ddi_tf import data_flags
from ddi_tf import run_folder
from ddi_tf import thresholds
from ddi_tf import traces

matplotlib.use("svg")
from matplotlib import pyplot  # after the backend is chosen

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Path of the .svg and .json, without suffix.",
    required=True)

# Accuracy that may be lost on tune, as a share of its images.
TOLERANCES = (0.0, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16)


def main(argv):
    del argv
    quiet.tensorflow_logs()
    folder = run_folder.RunFolder(_RUN.value)
    dataset = data_flags.load_of(folder.settings)
    gated = traces.Tracer(folder.load_network(), dataset.scaling)
    full = traces.Tracer(folder.load_network("base"), dataset.scaling,
                         all_open=True)
    tune, test = gated.collect(dataset.tune), gated.collect(dataset.test)
    answers, base = gated.costs.answers, gated.costs.base
    points = []
    for tolerance in TOLERANCES:
        chosen = thresholds.within_loss(tune, answers, tolerance)
        points.append({"tolerance_on_tune": tolerance, "thresholds": chosen,
                       **_point(thresholds.apply(test, answers, chosen))})
    result = {
        "run": str(folder.path), "commit": folder.settings["commit"],
        "seed": folder.settings["schedule"]["seed"], "split": "test",
        "images": len(test.labels),
        "in full": {"accuracy": float(
            full.collect(dataset.test).accuracy[-1]), "mean_macs": base},
        "gated": _point(thresholds.apply(
            test, answers, [None] * (len(answers) - 1))),
        "gated + exits": points}
    output = pathlib.Path(_OUTPUT.value)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(result, indent=1))
    draw(result, dataset.name, output.with_suffix(".svg"))


def _point(outcome):
    return {"accuracy": float(outcome.correct.mean()),
            "mean_macs": float(outcome.macs.mean())}


def draw(result, dataset, path):
    """One chart: megaMACs to the right, test accuracy upwards."""
    figure, axes = pyplot.subplots(figsize=(7, 4))
    line = np.array([[p["mean_macs"] / 1e6, 100 * p["accuracy"]]
                     for p in result["gated + exits"]])
    axes.plot(*line.T, "o-", color="#0072b2", label="gates and early exits, "
              "thresholds from tune")
    for name, marker, colour in (("gated", "s", "#009e73"),
                                 ("in full", "D", "#d55e00")):
        axes.plot(result[name]["mean_macs"] / 1e6,
                  100 * result[name]["accuracy"], marker, color=colour,
                  markersize=9, linestyle="none",
                  label={"gated": "gates only",
                         "in full": "same backbone, run in full"}[name])
    axes.set_xlim(left=0)
    axes.set_xlabel("mean executed million MACs per image")
    axes.set_ylabel(f"{dataset} {result['split']} accuracy, %")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    app.run(main)
