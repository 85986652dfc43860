"""Batteries that Linux knows: /sys/class/power_supply.

Files and units (microvolts, microamperes, microwatt-hours, percents):
https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-class-power
"""

import pathlib
from typing import NamedTuple

from device import errors
from device.power import reading

ROOT = "/sys/class/power_supply"

# Which way power flows: out of the battery is positive. The sign that a driver
# gives it is not asked: drivers disagree.
_DIRECTIONS = {"Discharging": 1, "Charging": -1, "Full": -1, "Not charging": -1}

# Present and full charge, the finest first.
_CHARGES = (("energy_now", "energy_full"), ("charge_now", "charge_full"))


class _Battery(NamedTuple):
    reading: reading.Reading
    size: tuple  # (file that tells its capacity, what it says); () if none


class PowerSupply:
    """A battery, or all of them taken together.

    Args:
        battery: its folder's name, as BAT0; None: all that feed the machine.
        root: folder of the supplies.
    """

    def __init__(self, battery=None, root=ROOT):
        self.name = f"battery {battery}" if battery else "battery of the system"
        self._battery, self._root = battery, pathlib.Path(root)

    def read(self):
        """The `reading.Reading` of now. Raises PowerError."""
        supplies = self._supplies()
        external = _external(supplies)
        batteries = [_read(folder, external) for folder in supplies
                     if self._wanted(folder)]
        if not batteries:
            raise errors.PowerError(self._missing(supplies))
        return (batteries[0].reading if len(batteries) == 1
                else _together(batteries))

    def close(self):
        """There is nothing to free."""

    def _supplies(self):
        """Folders of all supplies."""
        try:
            return sorted(self._root.iterdir())
        except OSError as error:
            raise errors.PowerError(
                f"{self._root}: {error.strerror}. This system does not tell "
                "of its power supplies; name another source.") from error

    def _wanted(self, folder):
        if self._battery:
            return folder.name == self._battery
        # A mouse has a battery, too: its scope is Device.
        return (_text(folder, "type") == "Battery"
                and _text(folder, "scope") != "Device")

    def _missing(self, supplies):
        there = ", ".join(folder.name for folder in supplies) or "nothing"
        wanted = self._battery or "no battery"
        return (f"{self._root}: {wanted} among {there}. Name another battery "
                "or source.")


def _external(supplies):
    """Whether any supply that is no battery is online; None: none can tell."""
    online = [_number(folder, "online") for folder in supplies
              if _text(folder, "type") != "Battery"]
    known = [value for value in online if value is not None]
    return any(known) if known else None


def _read(folder, external):
    """The `_Battery` of a folder. Raises PowerError."""
    status = _text(folder, "status")
    charge, size = _charge(folder)
    voltage_v = _micro(folder, "voltage_now")
    result = reading.Reading(
        charge=charge, draw_w=_draw_w(folder, status, external, voltage_v),
        voltage_v=voltage_v, charging=_charging(status, external))
    if charge is None and voltage_v is None:
        raise errors.PowerError(f"{folder}: tells nothing of a battery.")
    return _Battery(result, size)


def _charge(folder):
    """(charge, 0 to 1, or None; `_Battery.size`)."""
    for now, full in _CHARGES:
        left, capacity = _number(folder, now), _number(folder, full)
        if left is not None and capacity:
            return left / capacity, (full, capacity)
    percent = _number(folder, "capacity")
    return (None if percent is None else percent / 100), ()


def _draw_w(folder, status, external, voltage_v):
    """Watts out of the battery; None: unknown, also which way they flow."""
    direction = _DIRECTIONS.get(status, {True: -1, False: 1}.get(external))
    power_w, current_a = _micro(folder, "power_now"), _micro(folder,
                                                             "current_now")
    if power_w is None and None not in (current_a, voltage_v):
        power_w = current_a * voltage_v
    if direction is None or power_w is None:
        return None
    return direction * abs(power_w)


def _charging(status, external):
    """Whether the machine runs from another supply; None: unknown."""
    if status in ("Charging", "Discharging"):
        return status == "Charging"
    if external is None and status in ("Full", "Not charging"):
        return True
    return external


def _together(batteries):
    """The `reading.Reading` of several batteries as if they were one."""
    readings = [battery.reading for battery in batteries]
    same = len({battery.size[:1] for battery in batteries}) == 1
    weights = [battery.size[1] if same and battery.size else 1.0
               for battery in batteries]
    charge = _sum(weight * one.charge if one.charge is not None else None
                  for weight, one in zip(weights, readings))
    charging = [one.charging for one in readings]
    return reading.Reading(
        charge=None if charge is None else charge / sum(weights),
        draw_w=_sum(one.draw_w for one in readings),
        charging=True if True in charging else
        None if None in charging else False)


def _sum(values):
    """Of all values; None if one is."""
    values = list(values)
    return None if None in values else sum(values)


def _micro(folder, name):
    value = _number(folder, name)
    return None if value is None else value * 1e-6


def _number(folder, name):
    text = _text(folder, name)
    try:
        return None if text is None else float(text)
    except ValueError as error:
        raise errors.PowerError(
            f"{folder / name}: {text[:20]!r} is not a number.") from error


def _text(folder, name):
    """What a file holds; None where it is not there or cannot tell."""
    try:
        return (folder / name).read_text(encoding="ascii",
                                         errors="replace").strip()
    except OSError:
        # Drivers answer ENODATA, EAGAIN or ENODEV for what they do not know.
        return None
