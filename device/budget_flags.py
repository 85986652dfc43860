"""The flags that say what images may cost on average: a `choosing.Chooser`."""

import math

from absl import flags

from device import battery
from device import bundle as bundle_lib
from device import choosing
from device import errors
from device import mixing
from device import task
from device.power import opening
from device.power import replay
from device.power import watch

_POINT = flags.DEFINE_string(
    "operating_point", "default", "Exit thresholds of the bundle to use.")
_THRESHOLDS = flags.DEFINE_list(
    "thresholds", None, "Entropy in nats per exit, `off` for an exit that is "
    "not used; a single `off` for all.")
_MEAN_MACS = flags.DEFINE_float(
    "mean_macs", None, "Soft budget: MACs per image on average; operating "
    "points are mixed.", lower_bound=0)
_MEAN_ENERGY = flags.DEFINE_float(
    "mean_energy_mj", None, "Soft budget: modelled millijoules per image on "
    "average; operating points are mixed.", lower_bound=0)
_POWER = flags.DEFINE_string(
    "power", None, "Where the battery is read: "
    f"{', '.join([*opening.KINDS, *opening.PRESETS])}; options follow a colon, "
    "as in ina219:bus=1,address=0x43.")
_POWER_LOG = flags.DEFINE_string(
    "power_log", None, "File to which the battery's readings are appended; "
    "--power=replay:FILE replays it.")
_BATTERY_WH = flags.DEFINE_float(
    "battery_wh", None, "Watt-hours of the battery when full.", lower_bound=0)
_RUNTIME_HOURS = flags.DEFINE_float(
    "runtime_hours", None, "Hours that the battery must last: what images may "
    "cost follows it. Needs --power and --battery_wh.", lower_bound=0)
_RESERVE = flags.DEFINE_float(
    "reserve_percent", 10, "Charge that must be left then, percent.",
    lower_bound=0, upper_bound=100)
_IDLE_W = flags.DEFINE_float(
    "idle_w", None, "Watts that the device draws while it classifies nothing. "
    "Default: the profile's, or found out.", lower_bound=0)
_ACTIVE_W = flags.DEFINE_float(
    "active_w", 2, "Watts that it draws more while it classifies, where the "
    "profile does not say.", lower_bound=0)
_FRAMES_PER_HOUR = flags.DEFINE_float(
    "frames_per_hour", None, "Images to expect. Default: as many as there are.",
    lower_bound=0)


def follows_battery():
    """Whether the flags ask for a budget that follows a battery."""
    return _RUNTIME_HOURS.value is not None


def open_chooser(bundle, profile, stack, warn):
    """The `choosing.Chooser` that the flags ask for.

    Args:
        bundle: `bundle.Bundle`.
        profile: `profile.Profile` of this machine, or None.
        stack: `contextlib.ExitStack` that closes what was opened.
        warn: called with a message when the battery's source is in trouble.

    Raises:
        BudgetError: flags that exclude each other, or a budget for nothing.
        BundleError: no such operating point.
        PowerError: no such source.
        ThresholdError: thresholds that do not fit.
    """
    _check_flags()
    points = bundle.manifest.operating_points
    if _MEAN_MACS.value is not None:
        return mixing.Mixed(points, _MEAN_MACS.value)
    if _MEAN_ENERGY.value is not None:
        return mixing.Mixed(points, _MEAN_ENERGY.value, mixing.energy_mj,
                            mixing.mj_per_mac(bundle))
    if follows_battery():
        return _battery_budget(bundle, profile, stack, warn)
    return choosing.Fixed(_point(bundle))


def _check_flags():
    """Raises BudgetError for flags that exclude or need each other."""
    given = _given(_POINT, _THRESHOLDS, _MEAN_MACS, _MEAN_ENERGY,
                   _RUNTIME_HOURS)
    if len(given) > 1:
        raise errors.BudgetError(
            f"expected one way to say what images may cost, found "
            f"{' and '.join(given)}. Give one of them.")
    for flag in (_MEAN_MACS, _MEAN_ENERGY):
        if flag.value is not None and math.isnan(flag.value):
            raise errors.BudgetError(
                f"--{flag.name}: expected a number, found nan. Give one.")
    alone = _given(_POWER, _POWER_LOG, _BATTERY_WH, _RESERVE, _IDLE_W,
                   _ACTIVE_W, _FRAMES_PER_HOUR)
    if alone and not follows_battery():
        raise errors.BudgetError(
            f"{alone[0]} alone limits nothing. Say how long the battery must "
            "last: --runtime_hours, with --power and --battery_wh.")


def _given(*flags_):
    """Those of the flags that were given, as they are written."""
    return [f"--{flag.name}" for flag in flags_ if flag.present]


def _battery_budget(bundle, profile, stack, warn):
    missing = [f"--{flag.name}" for flag in (_POWER, _BATTERY_WH)
               if flag.value is None]
    if missing:
        raise errors.BudgetError(
            f"--runtime_hours needs {' and '.join(missing)} as well: where the "
            "battery is read, and what it holds.")
    energy = profile.energy if profile else None
    idle_w = _IDLE_W.value
    asked = task.Task(
        _BATTERY_WH.value, _RUNTIME_HOURS.value, _RESERVE.value / 100,
        idle_w=energy.idle_w if idle_w is None and energy else idle_w,
        frames_per_hour=_FRAMES_PER_HOUR.value, active_w=_ACTIVE_W.value,
        **({"energy_scale": energy.scale, "offset_mj": energy.offset_mj}
           if energy else {}))
    recorder = None
    if _POWER_LOG.value:
        recorder = replay.Recorder(_POWER_LOG.value)
        stack.callback(recorder.close)
    watched = watch.Watched(
        opening.open_source(_POWER.value, capacity_wh=_BATTERY_WH.value),
        capacity_wh=_BATTERY_WH.value, warn=warn,
        record=recorder.record if recorder else None)
    stack.callback(watched.close)
    return battery.BatteryBudget(
        bundle.manifest.operating_points, watched, asked,
        mj_per_mac=mixing.mj_per_mac(bundle))


def _point(bundle):
    """The `bundle.OperatingPoint` of every image."""
    if _THRESHOLDS.value is not None:
        return bundle_lib.OperatingPoint(
            "thresholds", _thresholds(bundle), None, None)
    if not bundle.exits:
        return bundle_lib.OperatingPoint("full", (), None, None)
    return bundle.operating_point(_POINT.value)


def _thresholds(bundle):
    """One threshold or None per exit, from the flag."""
    if _THRESHOLDS.value == ["off"]:
        return (None,) * len(bundle.exits)
    try:
        values = tuple(None if text == "off" else float(text)
                       for text in _THRESHOLDS.value)
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
