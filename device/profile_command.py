"""The command `python -m device.profile`: measures a bundle, writes a profile.

Its flags are here, so that `device.profile` can be imported by programs that
have flags of the same names.
"""

import contextlib
import dataclasses
import datetime
import pathlib
import shlex
import sys
import time
from typing import NamedTuple, Optional, Union

from absl import app
from absl import flags
from rich.console import Console
from rich.progress import Progress

from device import bundle as bundle_lib
from device import command
from device import controller as controller_lib
from device import draw
from device import errors
from device import images as images_lib
from device import machine
from device import measure
from device import measure_energy
from device import own_profile
from device import profile as profile_lib
from device import profile_report
from device import runtime
from device import whole_file
from device.power import opening

_BUNDLE = flags.DEFINE_string(
    "bundle", None, "Folder that `python -m converters.export` wrote.",
    required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "File for the profile (JSON); replaced if it exists. "
    "Default: BUNDLE.profile.HOSTNAME.json, beside the bundle, where budgets "
    "find it.")
_INPUT = flags.DEFINE_string(
    "input", None, "Images to measure with: a folder, one image, or an .npz "
    "(the first 16 are used). Default: random ones.")
_RUNS = flags.DEFINE_integer(
    "runs", 200, "Rounds to count; each runs every graph and the full path.",
    lower_bound=1)
_SECONDS = flags.DEFINE_float(
    "seconds", 60, "Seconds after which no further round begins.")
_POWER = flags.DEFINE_string(
    "power", None, "Source of the machine's watts, as for device.run, to "
    "measure energy too; no charger may be connected.")
_ENERGY_SECONDS = flags.DEFINE_float(
    "energy_seconds", 240, "Seconds for measuring energy, before latency.")
_THREADS = flags.DEFINE_integer(
    "threads", 1, "Threads of the interpreter.", lower_bound=1,
    upper_bound=256)

flags.register_validator(
    _SECONDS, lambda seconds: seconds > 0,
    message="must be a number of seconds above 0.")
flags.register_validator(
    _ENERGY_SECONDS, lambda seconds: 60 <= seconds <= 86_400,
    message="must be 60 seconds to a day.")

# As many differ enough, and fit in any memory.
_IMAGES = 16

# Redrawing the bar takes time from the next round: not more often.
_REDRAW_S = 0.25


def start():
    """Runs the command."""
    app.run(main)


def main(argv):
    command.refuse_arguments(argv)
    with command.errors_in_one_line("stopped; nothing was written."):
        measured = _run()
    profile_report.print_tables(
        measured.profile, measured.bundle.manifest.plan, sys.stderr)
    print(f"wrote {measured.output}. Next: python -m device.run "
          f"--bundle={shlex.quote(_BUNDLE.value)} --input=FOLDER_OR_NPZ",
          file=sys.stderr)
    if measured.unmeasured:
        sys.exit(f"error: no energy was measured: {measured.unmeasured}")


class _Measured(NamedTuple):
    """What was measured and written."""

    bundle: bundle_lib.Bundle
    profile: profile_lib.Profile
    output: Union[str, pathlib.Path]
    unmeasured: Optional[errors.PowerError]  # why there is no energy in it


def _run():
    """Measures and writes: `_Measured`."""
    bundle = bundle_lib.load(_BUNDLE.value)
    output = (own_profile.path(bundle) if _OUTPUT.value is None
              else _OUTPUT.value)
    whole_file.check_writable(output, _unwritable)
    images = images_lib.first(
        _INPUT.value, bundle.manifest.input.shape, _IMAGES)
    with _source() as source, controller_lib.Controller(
            bundle, make_graph=lambda spec, content: runtime.Graph(
                spec, content, num_threads=_THREADS.value)) as controller:
        date, before = datetime.datetime.now(
            datetime.timezone.utc), machine.state()
        energy, unmeasured = _measure_energy(controller, images, source)
        with _bar("measuring") as progress:
            times = measure.measure(
                controller, images, runs=_RUNS.value, seconds=_SECONDS.value,
                progress=progress)
        after = machine.state()
    profile = _profile(bundle, times, energy, date, before, after)
    profile_lib.save(output, profile)
    return _Measured(bundle, profile, output, unmeasured)


def _unwritable(message):
    return errors.ProfileError(f"{message} (--output=FILE)")


def _profile(bundle, times, energy, date, before, after):
    """The `profile.Profile` of all that was measured."""
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
        energy=energy, warnings=())
    return dataclasses.replace(
        profile, warnings=profile_report.warnings(profile))


@contextlib.contextmanager
def _source():
    """The source of --power, which no charger feeds; None without one."""
    if _POWER.value is None:
        yield None
        return
    with contextlib.closing(opening.open_source(_POWER.value)) as source:
        draw.reading(source)  # whether it answers, before minutes of measuring
        yield source


def _measure_energy(controller, images, source):
    """(`energy.Energy` or None, the PowerError that is to blame or None)."""
    if source is None:
        return None, None
    try:
        with _bar("measuring energy") as progress:
            return measure_energy.measure_energy(
                controller, images, source, seconds=_ENERGY_SECONDS.value,
                progress=progress), None
    except errors.PowerError as error:
        return None, error  # latency is worth having without it


@contextlib.contextmanager
def _bar(description):
    """A bar on a terminal's standard error: callable (share, 0 to 1)."""
    console = Console(stderr=True)
    # No thread that redraws: it would run during the measurement.
    with Progress(console=console, disable=not console.is_terminal,
                  auto_refresh=False) as bar:
        task = bar.add_task(description, total=1)
        drawn = time.monotonic()

        def progress(share):
            nonlocal drawn
            if share == 1 or time.monotonic() - drawn > _REDRAW_S:
                bar.update(task, completed=share, refresh=True)
                drawn = time.monotonic()

        yield progress
