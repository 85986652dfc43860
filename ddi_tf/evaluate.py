"""What a trained run gets right and what that costs, computed by Keras.

    python -m ddi_tf.evaluate --run=RUN --split=tune

Writes what the network did on every image to RUN/traces/SPLIT.npz
(`trace_files`), and prints what it amounts to. Stopped, it goes on with the
same command.
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
from ddi_tf import energy
from ddi_tf import errors
from ddi_tf import evaluation
from ddi_tf import resources
from ddi_tf import run_folder
from ddi_tf import trace_files
from ddi_tf import tracing

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)
_SPLIT = flags.DEFINE_enum(
    "split", "tune", data.SPLITS, "Which part of the run's data set.")
_BEST = flags.DEFINE_bool(
    "best", False, "Take the network of the best epoch on tune (BUILD.md says "
    "which that is), not the last one.")
_GATES_OPEN = flags.DEFINE_bool(
    "gates_open", False, "Run everything and ask no gate: what the exits give "
    "by themselves, with the same weights and batch norm measured that way.")
_ENERGY_MODEL = flags.DEFINE_enum(
    "energy_model", "horowitz", sorted({n for n, _ in energy.MODELS}),
    "Energy of MACs and of moving numbers, for the costs in energy.")
_ENERGY_WIDTH = flags.DEFINE_enum(
    "energy_width", "int8", sorted({w for _, w in energy.MODELS}),
    "Numbers that the device computes with.")
_PROFILE = flags.DEFINE_string(
    "latency_profile", None, "What python -m device.profile measured, for the "
    "costs in time; unset: none are given.")


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    try:
        recorded, where = _record()
        folder = run_folder.RunFolder(_RUN.value, _BEST.value)
        # Thresholds are chosen for the gates' own decisions.
        points = [] if _GATES_OPEN.value else folder.operating_points
        print(json.dumps(evaluation.report(recorded, points), indent=1))
    except errors.DDIError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; the same command goes on from here.")
    print(f"Traces of {len(recorded.traces.labels):,} images in {where}.\n"
          "Next, with traces of tune and test: python -m ddi_tf.report "
          f"--runs={_RUN.value} --output=report.html", file=sys.stderr)


def _record():
    folder = run_folder.RunFolder(_RUN.value, _BEST.value)
    dataset = data_flags.load_of(folder.settings)
    priced = [resources.Energy(_ENERGY_MODEL.value, _ENERGY_WIDTH.value)]
    if _PROFILE.value:
        priced.append(resources.Latency(_PROFILE.value))
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(
            f"images of {_SPLIT.value}",
            total=len(dataset.part(_SPLIT.value).labels))
        recorded = tracing.record(
            folder, _SPLIT.value, dataset, priced, _GATES_OPEN.value,
            lambda count: progress.advance(task, count))
    return recorded, trace_files.path(
        folder.path, _SPLIT.value, _BEST.value, _GATES_OPEN.value)


if __name__ == "__main__":
    app.run(main)
