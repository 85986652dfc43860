"""Does the battery-driven budget keep what it promises, on many different days?

    python benchmarks/battery_days.py --bundle=BUNDLE --traces=TRACES

Simulates a day (python -m device.simulate) for every idle draw, error of the
model and seed, and counts: for how much of the asked time the budget lasts,
whether the reserve is kept, and how many answers are right, beside those of the
best fixed operating point that lasts.
"""

import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from absl import app
from absl import flags
from rich.console import Console
from rich.progress import track

import results

_BUNDLE = flags.DEFINE_string("bundle", None, "Float bundle.", required=True)
_TRACES = flags.DEFINE_string(
    "traces", None, "Traces of its run on test.", required=True)
_FULL_HOURS = flags.DEFINE_float(
    "full_hours", 14.4, "How long the base network in full lasts.")
_HOURS = flags.DEFINE_float("hours", 24.0, "Hours that are asked for.")
_SCALE = flags.DEFINE_float(
    "energy_scale", 150.0, "Real joules per modelled joule of an image.")
_IDLE_W = flags.DEFINE_list(
    "idle_w", ["0.003", "0.005", "0.007"], "Watts drawn whatever is computed.")
_ERRORS = flags.DEFINE_list(
    "model_error_percent", ["-20", "0", "20"], "By how much images draw more.")
_SEEDS = flags.DEFINE_integer("seeds", 4, "Days of each kind.", lower_bound=1)
_OUTPUT = flags.DEFINE_string("output", None, "File for the JSON, if any.")

_DRIVEN = "battery-driven"


def main(argv):
    del argv
    results.report(_days, lambda result: print(json.dumps(result, indent=1)),
                   _OUTPUT.value)


def _days():
    kinds = list(itertools.product(
        _IDLE_W.value, _ERRORS.value, range(_SEEDS.value)))
    days = [_day(*kind) for kind in track(
        kinds, description="days", console=Console(stderr=True))]
    return {
        "bundle": _BUNDLE.value, "hours": _HOURS.value,
        "full_hours": _FULL_HOURS.value, "energy_scale": _SCALE.value,
        **_over(days), "days": days}


def _day(idle_w, error, seed):
    """What the budget and the best fixed point make of one day."""
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "day.json"
        done = subprocess.run(
            [sys.executable, "-m", "device.simulate",
             f"--bundle={_BUNDLE.value}", f"--traces={_TRACES.value}",
             f"--full_hours={_FULL_HOURS.value}", f"--hours={_HOURS.value}",
             f"--energy_scale={_SCALE.value}", f"--idle_w={idle_w}",
             f"--model_error_percent={error}", f"--seed={seed}",
             f"--output={output}"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr.strip())
        found = json.loads(output.read_text(encoding="utf-8"))
    policies, best = found["policies"], found["best_fixed_point_that_lasts"]
    driven = policies[_DRIVEN]
    return {
        "commit": found["commit"], "seed": seed, "idle_w": float(idle_w),
        "model_error_percent": float(error),
        "lasts_of_asked": driven["lasts_hours"] / found["hours"],
        "keeps_reserve": driven["keeps_reserve"], "right": driven["right"],
        "best_fixed_point": best,
        "right_of_best_fixed_point": best and policies[best]["right"]}


def _over(days):
    """What all days come to."""
    lasts = [day["lasts_of_asked"] for day in days]
    gains = np.array([day["right"] - day["right_of_best_fixed_point"]
                      for day in days if day["best_fixed_point"]])
    ahead, behind = gains[gains > 0], -gains[gains <= 0]
    return {
        "lasts_of_asked": [min(lasts), max(lasts)],
        "keep_reserve": sum(day["keeps_reserve"] for day in days),
        "without_a_fixed_point_that_lasts": len(days) - len(gains),
        "ahead_of_best_fixed_point": _range(ahead),
        "behind_best_fixed_point": _range(behind)}


def _range(answers):
    return {"days": len(answers), "fewest": int(min(answers, default=0)),
            "most": int(max(answers, default=0))}


if __name__ == "__main__":
    app.run(main)
