"""The command `python -m device.simulate`: flags, table, JSON, picture."""

import json
import math
import shlex
import sys

from absl import app
from absl import flags

from device import budget
from device import bundle as bundle_lib
from device import command
from device import errors
from device import mixing
from device import profile as profile_lib
from device import recorded as recorded_lib
from device import simulate
from device import simulate_report
from device import task as task_lib
from device import whole_file

_BUNDLE = flags.DEFINE_string(
    "bundle", None, "Folder that `python -m converters.export` wrote.",
    required=True)
_TRACES = flags.DEFINE_string(
    "traces", None, "RUN/traces/test.npz of the run that the bundle was "
    "exported from; `python -m ddi_tf.evaluate` wrote it.", required=True)
_BATTERY_WH = flags.DEFINE_float(
    "battery_wh", None, "Capacity of the battery, watt-hours.")
_FULL_HOURS = flags.DEFINE_float(
    "full_hours", None, "Instead of --battery_wh: a battery that the base "
    "network in full empties in so many hours.")
_HOURS = flags.DEFINE_float(
    "hours", 24.0, "Hours that the battery shall last.")
_RESERVE = flags.DEFINE_float(
    "reserve_percent", 10.0, "Charge that shall be left then, percent.")
_FRAMES = flags.DEFINE_float(
    "frames_per_hour", 1800.0, "Images that come in an hour, evenly.")
_IDLE_W = flags.DEFINE_float(
    "idle_w", 0.0, "Watts that the device draws whatever it computes.")
_PROFILE = flags.DEFINE_string(
    "profile", None, "Profile of the bundle (JSON): for real energy or time.")
_SCALE = flags.DEFINE_float(
    "energy_scale", None, "Real joules per modelled joule of the bundle; "
    "default: as the profile measured.")
_ACTIVE_W = flags.DEFINE_float(
    "active_w", None, "Without measured energy: watts that computing adds, for "
    "the time that the profile says.")
_ERROR = flags.DEFINE_float(
    "model_error_percent", 0.0, "By how much images really draw more (below "
    "0: less) than the policy believes at first.")
_RESOLUTION = flags.DEFINE_float(
    "resolution_percent", 1.0, "Step of the battery's gauge, percent.")
_NOISE = flags.DEFINE_float(
    "noise_percent", 0.5, "Standard deviation of its error, percent.")
_LOST = flags.DEFINE_list(
    "lost_hours", None, "FROM,UNTIL: hours in which the gauge does not answer.")
_SOLAR_W = flags.DEFINE_float(
    "solar_w", 0.0, "Watts of a solar panel at noon; the simulation begins at "
    "midnight.")
_SEED = flags.DEFINE_integer(
    "seed", 0, "Of the images' order and the gauge's error.", lower_bound=0)
_OUTPUT = flags.DEFINE_string(
    "output", None, "File for everything as JSON; replaced if it exists.")
_PLOT = flags.DEFINE_string(
    "plot", None, "File for a picture, .svg or .png; replaced if it exists.")


def start():
    """Runs the command."""
    app.run(main)


def main(argv):
    command.refuse_arguments(argv)
    with command.errors_in_one_line("stopped; nothing was written."):
        _run()


def _run():
    picture = _picture()
    for path in filter(None, (_OUTPUT.value, _PLOT.value)):
        whole_file.check_writable(path, errors.OutputError)
    bundle = bundle_lib.load(_BUNDLE.value)
    comparison = _compare(bundle)
    simulate_report.print_table(comparison, sys.stdout)
    if _OUTPUT.value:
        whole_file.write(_OUTPUT.value, json.dumps({
            "bundle": bundle.folder.resolve().name,
            "checksum": bundle.checksum,
            "commit": bundle.manifest.provenance.commit,
            "flags": _flags(), **simulate_report.values(comparison)},
            indent=1) + "\n", errors.OutputError)
    if picture is not None:
        picture.write(comparison, _PLOT.value)
    print(f"Next, on the device: python -m device.run "
          f"--bundle={shlex.quote(_BUNDLE.value)} --input=... --power=... "
          f"--battery_wh={comparison.world.battery_wh:.4g} "
          f"--runtime_hours={_HOURS.value:g} "
          f"--reserve_percent={_RESERVE.value:g}", file=sys.stderr)


def _compare(bundle):
    """The `simulate_report.Comparison` that the flags ask for."""
    profile = _PROFILE.value and profile_lib.load(_PROFILE.value, bundle)
    recorded = recorded_lib.load(_TRACES.value, bundle, profile or None)
    believed = _Believed(profile and profile.energy)
    points = mixing.ladder(bundle.manifest.operating_points)
    at_points = {point.name: believed.images(recorded.outcome(point.thresholds))
                 for point in points}
    full = believed.images(recorded.full())
    world = simulate.World(
        _battery_wh(full), _HOURS.value, _FRAMES.value, _IDLE_W.value,
        _ERROR.value / 100, _SOLAR_W.value, _RESOLUTION.value / 100,
        _NOISE.value / 100, _lost_hours(), _SEED.value)
    task = task_lib.Task(
        world.battery_wh, world.hours, _RESERVE.value / 100,
        world.idle_w, world.frames_per_hour, **believed.task)
    return simulate_report.Comparison(
        simulate.driven("battery-driven", points, at_points, task,
                        mixing.mj_per_mac(bundle), world),
        simulate.fixed("full network", full, world),
        simulate.fixed("gates alone", believed.images(
            recorded.outcome(None)), world),
        tuple(simulate.fixed(name, images, world)
              for name, images in at_points.items()), world, task.reserve)


class _Believed:
    """What images are believed to draw, from the flags and a profile's energy.

    Raises BudgetError where neither tells.
    """

    def __init__(self, energy):
        self._scale, self._offset_mj, self._active_w = None, 0.0, None
        if _SCALE.value is not None:
            self._scale = _SCALE.value
        elif energy is not None:
            self._scale, self._offset_mj = energy.scale, energy.offset_mj
        elif _PROFILE.value and _ACTIVE_W.value is not None:
            self._active_w = _ACTIVE_W.value
        else:
            raise errors.BudgetError(
                "what an image really draws is not known: modelled energy is "
                "that of a chip's arithmetic alone. Give a --profile measured "
                "with --power, or --profile and --active_w, or --energy_scale.")

    @property
    def task(self):
        """What a `task.Task` is told of it."""
        if self._active_w is not None:
            return {"active_w": self._active_w}
        return {"energy_scale": self._scale, "offset_mj": self._offset_mj}

    def images(self, outcome):
        """`simulate.Images` of a `recorded.Outcome`."""
        energy_mj = outcome.energy_pj / budget.PJ_PER_MJ
        drawn_mj = (
            self._active_w * outcome.latency_ms if self._active_w is not None
            else self._scale * energy_mj + self._offset_mj)
        return simulate.Images(
            outcome.right, energy_mj, outcome.latency_ms, drawn_mj / 1e3)


def _battery_wh(full):
    """Capacity; `full` is the `simulate.Images` of the base network in full."""
    if (_BATTERY_WH.value is None) == (_FULL_HOURS.value is None):
        raise errors.BudgetError(
            "expected one of --battery_wh and --full_hours. Give the battery's "
            "capacity, or how long the base network in full would last on it.")
    if _BATTERY_WH.value is not None:
        return _BATTERY_WH.value
    if not 0 < _FULL_HOURS.value < math.inf:
        raise errors.BudgetError(
            "--full_hours: expected a number above 0, found "
            f"{_FULL_HOURS.value:g}.")
    image_j = full.joules.mean() * (1.0 + _ERROR.value / 100)
    return float(_FULL_HOURS.value * (
        _IDLE_W.value + image_j * _FRAMES.value / 3600.0))


def _lost_hours():
    """(from, until), or None."""
    if not _LOST.value:
        return None
    try:
        begin, end = map(float, _LOST.value)
        if not 0 <= begin < end:
            raise ValueError
    except ValueError:
        raise errors.BudgetError(
            f"--lost_hours: expected two rising numbers as in 6,9, found "
            f"{','.join(_LOST.value)}.") from None
    return begin, end


def _picture():
    """The module that draws, if a picture is asked for.

    Raises OutputError where it cannot.
    """
    if not _PLOT.value:
        return None
    if not _PLOT.value.endswith((".svg", ".png")):
        raise errors.OutputError(
            f"--plot={_PLOT.value}: expected a name that ends in .svg or .png.")
    try:
        from device import simulate_plot
    except ImportError as error:
        raise errors.OutputError(
            f"--plot needs matplotlib ({error}). Install it: pip install "
            "matplotlib, or leave --plot out.") from None
    return simulate_plot


def _flags():
    """Name -> value of this command's flags."""
    return {flag.name: flag.value
            for flag in flags.FLAGS.get_key_flags_for_module(
                sys.modules[__name__])}
