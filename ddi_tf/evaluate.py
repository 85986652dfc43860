"""What a trained run gets right and what that costs, computed by Keras.

    python -m ddi_tf.evaluate --run=RUN --split=tune
"""

import json
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags
from rich.console import Console
from rich.progress import Progress

from ddi_tf import data
from ddi_tf import data_flags
from ddi_tf import errors
from ddi_tf import run_folder
from ddi_tf import thresholds
from ddi_tf import traces

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)
_SPLIT = flags.DEFINE_enum(
    "split", "tune", data.SPLITS, "Which part of the run's data set.")
_BEST = flags.DEFINE_bool(
    "best", False, "Take the network of the best epoch on tune (BUILD.md says "
    "which that is), not the last one.")


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    try:
        print(json.dumps(_evaluate(), indent=1))
    except errors.DDIError as error:
        sys.exit(f"error: {error}")


def _evaluate():
    folder = run_folder.RunFolder(_RUN.value, _BEST.value)
    settings = folder.settings
    dataset = data_flags.load_of(settings)
    split = dataset.part(_SPLIT.value)
    tracers = {
        "in full": traces.Tracer(
            folder.load_network("base"), dataset.scaling, all_open=True),
        "gated": traces.Tracer(folder.load_network(), dataset.scaling)}
    with Progress(console=Console(stderr=True)) as progress:
        tasks = [progress.add_task(name, total=len(split.images))
                 for name in tracers]
        full, gated = (
            tracer.collect(
                split, lambda count, task=task: progress.advance(task, count))
            for tracer, task in zip(tracers.values(), tasks))
    table = tracers["gated"].costs
    return {"run": str(folder.path), "commit": settings["commit"],
            "seed": settings["schedule"]["seed"], "split": _SPLIT.value,
            "best": _BEST.value,
            **report(table, full, gated, folder.operating_points)}


def report(table, full, gated, operating_points):
    """Accuracies and costs, as a dict for JSON.

    Args:
        table: `costs.CostTable`.
        full: `traces.Traces` of the base network (as the base phase left it)
            with everything run.
        gated: of the finished network, with the gates' own decisions.
        operating_points: of the run.
    """
    answers = table.answers
    rows = {"in full": {"accuracy": float(full.accuracy[-1]),
                        "mean_macs": float(table.base)}}
    points = [("gated", [None] * len(table.exits)),
              *((f"gated, exits at {point['name']}", point["thresholds"])
                for point in operating_points)]
    for name, chosen in points:
        outcome = thresholds.apply(gated, answers, chosen)
        rows[name] = {
            "accuracy": float(outcome.correct.mean()),
            "mean_macs": float(outcome.macs.mean()),
            "mean_macs_of_base": float(outcome.macs.mean() / table.base),
            "exits": [int((outcome.exits == e).sum())
                      for e in range(len(answers))]}
    return {"images": len(gated.labels), "base_macs": table.base,
            "skip_ratio": float(gated.skip_ratio),
            "accuracy_if_all_left_at_exit": [
                float(a) for a in gated.accuracy[:-1]],
            "operating_points": rows}


if __name__ == "__main__":
    app.run(main)
