"""How much faster does a network train once its gates are settled?

    python benchmarks/settled_step.py --entries=zoo/resnet38,zoo/resnet74

A step of the exits phase, on a CPU without XLA, of each entry's network as it
is, against the same network with all its gates asked: what settled gates close
is not computed, and what they open is not asked about. Both with random
weights, on noise (time depends on neither), one process, a step of each in
turns; the median and quartiles of the turns' ratios.
"""

import dataclasses
import json
import os
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

import tensorflow as tf
from absl import app
from absl import flags

import phase_step
import timing
from ddi_tf import data
from ddi_tf import errors
from ddi_tf import phases
from ddi_tf import run_folder

_ENTRIES = flags.DEFINE_list(
    "entries", None, "Runs, or entries of the zoo, with settled gates.",
    required=True)
_TURNS = flags.DEFINE_integer(
    "turns", 10, "Steps of each of the two.", lower_bound=2)
_BATCH = flags.DEFINE_integer(
    "train_batch_size", 128, "Images per step.", lower_bound=1)

_RATE, _SETTLE = 0.01, 2


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    try:
        configs = {path: run_folder.RunFolder(path).network_config
                   for path in _ENTRIES.value}
        unsettled = [path for path, config in configs.items()
                     if not config.settled]
        if unsettled:
            raise errors.ConfigError(
                f"no gate of {errors.listed(unsettled, 3)} is settled: give "
                "--entries that were trained with --train_settle.")
    except errors.DDIError as error:
        sys.exit(f"error: {error}")
    schedule, dataset = phases.Schedule(
        batch_size=_BATCH.value), phase_step.noise()
    found = {}
    for path, config in configs.items():
        print(f"compiling {path}", file=sys.stderr)
        found[path] = settled_against_asked(
            config, schedule, dataset, _TURNS.value)
    print(json.dumps({
        "commit": run_folder.commit(), "tensorflow": tf.__version__,
        "cpus": len(os.sched_getaffinity(0)), "phase": "exits",
        "batch_size": schedule.batch_size, "turns": _TURNS.value,
        "settled / asked": found}, indent=1))


def settled_against_asked(config, schedule, dataset, turns):
    """`timing.against` of a step with settled gates and one that asks all.

    Args:
        config: `network.NetworkConfig`, with settled gates.
        schedule: `phases.Schedule`.
        dataset: `data.Dataset`.
        turns: steps of each.
    """
    settled, asked = (
        phase_step.PhaseStep("exits", one, schedule, dataset)
        for one in (config, dataclasses.replace(config, settled=())))
    sampler = data.Sampler(len(dataset.train.images), schedule.batch_size,
                           seed=schedule.seed, flip=True)
    batches = [(sampler.draw(index), settled.thresholds(index), _RATE,
                schedule.target_cost) for index in range(turns)]
    [result] = timing.against(
        {"settled": lambda batch: settled(*batch)},
        lambda batch: asked(*batch), batches, burst=1, warmup=_SETTLE).values()
    return {"settled_ms": result["median_ms"],
            "asked_ms": result["reference_median_ms"],
            "ratio": result["ratio"],
            "ratio_quartiles": result["ratio_quartiles"]}


if __name__ == "__main__":
    app.run(main)
