"""Small runs with traces for the report's tests: two exits, eight images."""

import json
import pathlib

import numpy as np

from ddi_tf import trace_files
from ddi_tf import traces

NAMES = ("cat", "dog")

# By hand: labels, and answers of exit1, exit2 and the head to eight images.
LABELS = (0, 0, 0, 0, 1, 1, 1, 1)
PREDICTIONS = ((0, 0, 0), (0, 0, 0), (0, 0, 0), (1, 0, 0),
               (1, 1, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0))
ENTROPIES = ((0.1, 0.1, 0), (0.2, 0.1, 0), (0.3, 0.1, 0), (0.6, 0.2, 0),
             (0.3, 0.2, 0), (0.5, 0.3, 0), (0.6, 0.5, 0), (0.6, 0.6, 0))
# Of half the images the second of two blocks is skipped; million MACs.
SPENT = ((10, 10, 20),) * 4 + ((10, 50, 60),) * 4
ANSWERS = (1, 2, 3)
BASE = 100
_MILLION = 1_000_000
# The base network is wrong about the last image.
BASE_PREDICTIONS = (0, 0, 0, 0, 1, 1, 1, 0)


def settings(seed=0, resource="flops", data="cifar10", exits=True):
    """run.json as a dict."""
    return {
        "network": {"backbone": "resnet", "depth": 8, "classes": 2,
                    "image_shape": [8, 8, 3], "layer_gates": True,
                    "channel_gates": False, "mask_site": "inner", "groups": 2,
                    "exits": exits},
        "schedule": {"target_cost": 0.5, "seed": seed},
        "resource": {"name": resource},
        "data": {"name": data, "label_names": list(NAMES)}, "commit": "c0ffee"}


def recorded(name="run", split="test", predictions=PREDICTIONS, spent=SPENT,
             gates_open=False, **options):
    """`trace_files.Recorded`; see the constants above.

    Args:
        name, split, gates_open: as in `trace_files.About`.
        predictions, spent: instead of those above.
        **options: of `settings`.
    """
    set_up = settings(**options)
    there = slice(None) if set_up["network"]["exits"] else slice(2, None)
    predictions = np.array(predictions, np.int32)[:, there]
    entropies = np.array(ENTROPIES, np.float32)[:, there]
    # Logits whose likeliest class is the prediction.
    logits = 2 * np.eye(2, dtype=np.float32)[predictions]
    layers = np.ones([8, 2], np.float32)
    layers[:4, 1] = 0
    traced = traces.Traces(
        np.array(LABELS, np.int32), logits, predictions, entropies,
        _MILLION * np.array(spent, np.int64)[:, there], layers,
        (np.ones([8, 1], np.float32),) * 2)
    base = float(_MILLION * BASE)
    cost = traces.Cost("MACs", base, _MILLION * np.array(ANSWERS[there]),
                       traced.spent)
    energy = traces.Cost("pJ", 2 * base, 2.0 * cost.answers,
                         2.0 * traced.spent)
    exits = ("exit1", "exit2")[:traced.logits.shape[1] - 1]
    about = trace_files.About(
        trace_files.FORMAT_VERSION, "0" * 64, name, "c0ffee",
        set_up["schedule"]["seed"], split, False, gates_open, set_up,
        ("block1", "block2"), exits, (0, 1)[:len(exits)],
        {"macs": {"unit": "MACs", "base": base, "source": "convolutions"},
         "energy": {"unit": "pJ", "base": 2 * base, "source": "a model"}})
    return trace_files.Recorded(
        about, traced, {"macs": cost, "energy": energy},
        np.eye(2, dtype=np.float32)[list(BASE_PREDICTIONS)],
        np.random.default_rng(0).integers(0, 256, [4, 8, 8, 3]).astype(
            np.uint8), np.array([0, 1, 6, 7]))


def write(folder, points=(), gates_open=False, **options):
    """Writes a run's traces and operating points.

    Args:
        folder: of the run; its name is the run's.
        points: operating points, dicts.
        gates_open: whether traces with open gates are written too.
        **options: of `recorded`.

    Returns:
        The folder, as a text.
    """
    folder = pathlib.Path(folder)
    for split in ("tune", "test"):
        for opened in (False, True)[:1 + gates_open]:
            trace_files.save(
                trace_files.path(folder, split, gates_open=opened),
                recorded(folder.name, split, gates_open=opened, **options))
    if points:
        (folder / "operating_points.json").write_text(
            json.dumps(list(points)), encoding="utf-8")
    return str(folder)
