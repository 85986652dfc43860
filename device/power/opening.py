"""Opens a source of battery readings that is named in one line of text."""

import math
import time
from typing import Callable, NamedTuple

from device import errors
from device.power import counting
from device.power import ina
from device.power import max17048
from device.power import pmic
from device.power import replay
from device.power import simulated
from device.power import sysfs

# UPS HATs are these chips. Addresses, shunts and signs are those of their
# makers' example programs:
# https://www.waveshare.com/wiki/UPS_HAT_(B),
# https://github.com/geekworm-com/x728, https://github.com/suptronics/x120x
PRESETS = {
    "waveshare-ups-hat-b":
        "ina219:address=0x42,shunt_ohm=0.1,positive=charging,cells=2",
    "geekworm-x728": "max17048",
    "geekworm-x120x": "max17048",
}


def open_source(spec, *, capacity_wh=None, clock=time.monotonic):
    """The `reading.Source` that a text names.

    Whether the hardware is there shows when it is read: it may come later.

    Args:
        spec: "NAME" or "NAME:KEY=VALUE,..."; see `KINDS` and `PRESETS`. A file
            or a battery's name stands without a key: "replay:day.jsonl".
        capacity_wh: of the battery; with it a source that tells only what is
            drawn gets its charge counted. None: unknown.
        clock: seconds that never go back.

    Raises:
        PowerError: the text names nothing, or wrong values, or a package or
            file that is not there.
    """
    name, _, rest = spec.partition(":")
    preset = PRESETS.get(name)
    if preset is not None:
        name, _, given = preset.partition(":")
        rest = ",".join(part for part in (given, rest) if part)
    kind = KINDS.get(name)
    if kind is None:
        raise errors.PowerError(
            f"{spec!r} names no source of battery readings. There are "
            f"{', '.join([*KINDS, *PRESETS])}.")
    return kind.make(_values(name, kind, rest), capacity_wh, clock)


class Kind(NamedTuple):
    """A source that can be named."""

    make: Callable  # (values of `keys`, capacity in Wh or None, clock) -> it
    keys: dict      # name -> what turns its text into its value
    bare: str = ""  # key of what may stand without one


def _whole(text):
    """A whole number, also as 0x40."""
    return int(text, 0)


def _finite(text):
    """A number that is neither infinite nor NaN."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _values(name, kind, text):
    """Key -> value of "KEY=VALUE,...". Raises PowerError."""
    if text and kind.bare and "=" not in text:
        return {kind.bare: text}
    values = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if key not in kind.keys:
            known = ", ".join(kind.keys)
            raise errors.PowerError(f"{name}: there is no {key!r}. "
                                    f"There are {known}.")
        try:
            values[key] = kind.keys[key](value)
        except ValueError as error:
            raise errors.PowerError(
                f"{name}: {key} must be a number, but is {value!r}."
            ) from error
    return values


def _sysfs(values, _, __):
    return sysfs.PowerSupply(**values)


def _ina219(values, capacity_wh, clock):
    return _ina("INA219", values, capacity_wh, clock)


def _ina226(values, capacity_wh, clock):
    return _ina("INA226", values, capacity_wh, clock)


def _ina(model, values, capacity_wh, clock):
    charge = values.pop("charge", None)
    source = ina.Ina(model, **values)
    # From the voltage the charge is known without counting.
    return source if values.get("cells") else _counted(
        source, charge, capacity_wh, clock)


def _max17048(values, capacity_wh, _):
    return max17048.Max17048(**values, capacity_wh=capacity_wh)


def _pmic(values, capacity_wh, clock):
    charge = values.pop("charge", None)
    return _counted(pmic.Pmic(**values), charge, capacity_wh, clock)


def _counted(source, charge, capacity_wh, clock):
    if capacity_wh is None:
        return source
    return counting.Counted(source, capacity_wh, clock=clock,
                            charge=1.0 if charge is None else charge)


def _replay(values, _, clock):
    if "file" not in values:
        raise errors.PowerError("replay: name the file, as replay:day.jsonl.")
    return replay.Replay(values["file"], clock)


def _simulated(values, capacity_wh, clock):
    values = {"capacity_wh": capacity_wh, **values}
    if values["capacity_wh"] is None:
        raise errors.PowerError("simulated: capacity_wh must be given.")
    return simulated.Live(simulated.Battery(**values), clock)


_INA_KEYS = {"bus": _whole, "address": _whole, "shunt_ohm": _finite,
             "positive": str, "cells": _whole, "resistance_ohm": _finite,
             "charge": _finite}

KINDS = {
    "sysfs": Kind(_sysfs, {"battery": str, "root": str}, bare="battery"),
    "ina219": Kind(_ina219, _INA_KEYS),
    "ina226": Kind(_ina226, _INA_KEYS),
    "max17048": Kind(_max17048, {"bus": _whole, "cells": _whole}),
    "pmic": Kind(_pmic, {"scale": _finite, "offset_w": _finite,
                         "charge": _finite}),
    "replay": Kind(_replay, {"file": str}, bare="file"),
    "simulated": Kind(_simulated, {
        "capacity_wh": _finite, "charge": _finite, "idle_w": _finite,
        "temperature_c": _finite, "resolution": _finite, "noise": _finite,
        "cells": _whole, "seed": _whole}),
}
