"""Classifies images with a bundle: one JSON line per image, then a summary.

    python -m device.run --bundle=BUNDLE --input=FOLDER_OR_NPZ
"""

import json
import sys

from absl import app
from absl import flags
from rich.console import Console
from rich.progress import Progress

from device import budget
from device import bundle as bundle_lib
from device import controller as controller_lib
from device import errors
from device import images
from device import runtime
from device import summary as summary_lib

_BUNDLE = flags.DEFINE_string(
    "bundle", None, "Folder that `python -m converters.export` wrote.",
    required=True)
_INPUT = flags.DEFINE_string(
    "input", None, "Folder of images, one image, or an .npz with `images` "
    "[N, H, W, 3] uint8 and, if known, `labels` [N].", required=True)
_POINT = flags.DEFINE_string(
    "operating_point", "default", "Exit thresholds of the bundle to use.")
_THRESHOLDS = flags.DEFINE_list(
    "thresholds", None, "Entropy in nats per exit, `off` for an exit that is "
    "not used; a single `off` for all. Instead of --operating_point.")
_MAX_MACS = flags.DEFINE_integer(
    "max_macs", None, "Hard budget: MACs that no image may pass.",
    lower_bound=0)
_THREADS = flags.DEFINE_integer(
    "threads", 1, "Threads of the interpreter.", lower_bound=1)
_SUMMARY = flags.DEFINE_string(
    "summary", None, "File for the summary as JSON; it is always printed.")


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    try:
        failed = _run()
    except (errors.DeviceError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; the lines above are complete.")
    if failed:
        sys.exit(f"error: {failed} of the images could not be classified; "
                 "their lines say why.")


def _run():
    """Classifies everything; returns how many images failed."""
    bundle = bundle_lib.load(_BUNDLE.value)
    thresholds = _thresholds(bundle)
    source = images.Source(_INPUT.value, bundle.manifest.input.shape)
    summary = summary_lib.Summary(bundle)
    with controller_lib.Controller(
            bundle, make_graph=lambda spec, content: runtime.Graph(
                spec, content, num_threads=_THREADS.value)) as controller:
        # A budget that pays for no answer is one error, not one per image.
        budget.limit(controller.costs, _MAX_MACS.value)
        for item in _with_progress(source):
            line = _classify(controller, bundle, item, thresholds, summary)
            print(json.dumps(line), flush=True)
    summary.print(sys.stderr)
    if _SUMMARY.value:
        with open(_SUMMARY.value, "w", encoding="utf-8") as file:
            json.dump(summary.values(), file, indent=1)
    return summary.failed


def _classify(controller, bundle, item, thresholds, summary):
    """The JSON line of one image."""
    try:
        if isinstance(item.image, errors.ImageError):
            raise item.image
        answer = controller.classify(
            item.image, thresholds=thresholds, max_macs=_MAX_MACS.value)
    except errors.ImageError as error:
        summary.failed += 1
        print(f"{item.name}: {error}", file=sys.stderr)
        return {"image": item.name, "error": str(error)}
    summary.add(answer, item.label)
    steps = bundle.manifest.plan.steps
    return {
        "image": item.name,
        "label": bundle.manifest.labels[answer.label],
        "probability": round(float(answer.probabilities[answer.label]), 5),
        "exit": answer.exit,
        "entropy": round(answer.entropy, 5),
        "blocks_run": {step.name: groups
                       for step, groups in zip(steps, answer.path) if groups},
        "macs": answer.macs,
        "latency_ms": round(answer.latency_ms, 3)}


def _thresholds(bundle):
    """One threshold or None per exit, from the flags."""
    if _THRESHOLDS.value is None:
        if not bundle.exits:
            return None
        return bundle.operating_point(_POINT.value).thresholds
    if _THRESHOLDS.value == ["off"]:
        return None
    try:
        values = [None if text == "off" else float(text)
                  for text in _THRESHOLDS.value]
    except ValueError as error:
        raise errors.ThresholdError(
            f"--thresholds needs numbers or `off`: {error}.") from None
    if bad := [v for v in values if v is not None and not v >= 0]:
        raise errors.ThresholdError(
            f"a threshold is an entropy in nats, 0 or more. Received: {bad[0]}")
    if len(values) != len(bundle.exits):
        raise errors.ThresholdError(
            f"--thresholds needs {len(bundle.exits)} values, one per exit "
            f"({', '.join(bundle.exits)}), found {len(values)}.")
    return values


def _with_progress(source):
    """The source's items, with a bar on a terminal's standard error."""
    console = Console(stderr=True)
    # Lines on the same terminal are progress enough.
    hidden = not console.is_terminal or sys.stdout.isatty()
    with Progress(console=console, disable=hidden) as progress:
        yield from progress.track(source, total=len(source),
                                  description="classifying")


if __name__ == "__main__":
    app.run(main)
