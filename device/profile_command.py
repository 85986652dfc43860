"""The command `python -m device.profile`: measures a bundle, writes a profile.

Its flags are here, so that `device.profile` can be imported by programs that
have flags of the same names.
"""

import dataclasses
import datetime
import pathlib
import shlex
import sys
import time

from absl import app
from absl import flags
from rich.console import Console
from rich.progress import Progress

from device import bundle as bundle_lib
from device import controller as controller_lib
from device import errors
from device import images as images_lib
from device import machine
from device import measure
from device import profile as profile_lib
from device import profile_report
from device import runtime

_BUNDLE = flags.DEFINE_string(
    "bundle", None, "Folder that `python -m converters.export` wrote.",
    required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "File for the profile (JSON); replaced if it exists.",
    required=True)
_INPUT = flags.DEFINE_string(
    "input", None, "Images to measure with: a folder, one image, or an .npz "
    "(the first 16 are used). Default: random ones.")
_RUNS = flags.DEFINE_integer(
    "runs", 200, "Rounds to count; each runs every graph and the full path.",
    lower_bound=1)
_SECONDS = flags.DEFINE_float(
    "seconds", 60, "Seconds after which no further round begins.")
_THREADS = flags.DEFINE_integer(
    "threads", 1, "Threads of the interpreter.", lower_bound=1,
    upper_bound=256)

flags.register_validator(
    _SECONDS, lambda seconds: seconds > 0,
    message="must be a number of seconds above 0.")

# As many differ enough, and fit in any memory.
_IMAGES = 16

# Redrawing the bar takes time from the next round: not more often.
_REDRAW_S = 0.25


def start():
    """Runs the command."""
    app.run(main)


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    try:
        profile, plan = _run()
    except (errors.DeviceError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing was written.")
    profile_report.print_table(profile, plan, sys.stderr)
    print(f"wrote {_OUTPUT.value}. Next: python -m device.run "
          f"--bundle={shlex.quote(_BUNDLE.value)} --input=FOLDER_OR_NPZ",
          file=sys.stderr)


def _run():
    """Measures and writes; returns the profile and the bundle's plan."""
    bundle = bundle_lib.load(_BUNDLE.value)
    profile_lib.check_writable(_OUTPUT.value)
    images = images_lib.first(
        _INPUT.value, bundle.manifest.input.shape, _IMAGES)
    with controller_lib.Controller(
            bundle, make_graph=lambda spec, content: runtime.Graph(
                spec, content, num_threads=_THREADS.value)) as controller:
        date, before = datetime.datetime.now(
            datetime.timezone.utc), machine.state()
        times = _measure(controller, images)
        after = machine.state()
    profile = profile_lib.Profile(
        format_version=profile_lib.FORMAT_VERSION,
        bundle=profile_lib.BundleId(
            bundle.folder.resolve().name, bundle.checksum),
        machine=machine.describe(), interpreter=machine.interpreter(),
        threads=_THREADS.value, date=date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        runs=times.rounds, warmup=times.warmup,
        images=pathlib.Path(_INPUT.value).name if _INPUT.value else "random",
        before=before, after=after,
        full_path=profile_lib.FullPath(
            times.full_path_graphs, **measure.statistics(times.full_path)),
        graphs=tuple(profile_lib.GraphLatency(
            spec.name, spec.role, spec.macs,
            **measure.statistics(times.graphs[spec.name]))
            for spec in bundle.manifest.graphs if spec.name in times.graphs),
        warnings=())
    profile = dataclasses.replace(
        profile, warnings=profile_report.warnings(profile))
    profile_lib.save(_OUTPUT.value, profile)
    return profile, bundle.manifest.plan


def _measure(controller, images):
    """`measure.Times`, with a bar on a terminal's standard error."""
    console = Console(stderr=True)
    # No thread that redraws: it would run during the measurement.
    with Progress(console=console, disable=not console.is_terminal,
                  auto_refresh=False) as bar:
        task = bar.add_task("measuring", total=1)
        drawn = time.monotonic()

        def progress(share):
            nonlocal drawn
            if share == 1 or time.monotonic() - drawn > _REDRAW_S:
                bar.update(task, completed=share, refresh=True)
                drawn = time.monotonic()

        return measure.measure(
            controller, images, runs=_RUNS.value, seconds=_SECONDS.value,
            progress=progress)
