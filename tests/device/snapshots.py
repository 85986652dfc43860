"""Moments of an invented run: what `device.view` and `device.metrics` get."""

import types

import numpy as np

from device import answers
from device import status as status_lib
import fakes

# Four blocks; exits behind the first and the third.
MANIFEST = fakes.manifest(
    (fakes.GATED, fakes.Block(), fakes.GATED, fakes.Block()),
    thresholds=(0.5, 0.5))

BATTERY = status_lib.BatteryStatus(
    source="a simulated battery", health="good", charge=0.62, draw_w=3.21,
    charging=False, hours_left=7.9, hours_asked=6.5, reserve=0.1, note="")

VALUES = {
    "images": 1234, "failed": 0, "late": 0, "accuracy": 0.847,
    "mean_macs": 348.0, "largest_macs": 790, "base_macs": 1000,
    "mean_macs_of_base": 0.348, "skip_ratio": 0.5,
    "mean_energy_mj": 0.5, "largest_energy_mj": 1.25,
    "exits": {"block0_exit": 617, "head": 617},
    "latency_ms_median": 0.31, "latency_ms_p95": 0.62}

# Of a summary that has seen no image.
NO_VALUES = {name: None for name in VALUES} | {
    "images": 0, "failed": 0, "late": 0, "base_macs": 1000, "exits": {}}


def answer(**changes):
    """`answers.Answer` "dog", at the first exit."""
    fields = {
        "label": 1, "probabilities": np.float32([0.05, 0.9, 0.05]),
        "logits": np.float32([0, 3, 0]), "exit": "block0_exit",
        "entropy": 0.39, "path": ((0,),), "macs": 207,
        "energy_pj": 412_000_000, "latency_ms": 0.272}
    return answers.Answer(**{**fields, **changes})


_ANSWER = answer()


def status(*, point="default", target_mj=0.5, battery=BATTERY, values=None,
           failed=0, answer=_ANSWER, **changes):
    """`status.Status` after an image; `values` and `failed` are its summary's.
    """
    fields = {
        "bundle": "toy", "limits": status_lib.Limits(), "seconds": 3661.0,
        "name": "a.png", "label": answer and fakes.LABELS[answer.label],
        "summary": types.SimpleNamespace(
            values=lambda: values or VALUES, failed=failed)}
    return status_lib.Status(
        budget=status_lib.BudgetStatus(point, target_mj, battery),
        answer=answer, **{**fields, **changes})
