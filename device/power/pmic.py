"""The power controller (PMIC) of a Raspberry Pi 5: what the board draws.

It measures the rails that it makes, not what it loses in making them, nor what
does not pass it: USB devices, HATs on 5 V, fans. The sum of the rails is so a
lower bound; `scale` and `offset_w` turn it into what a wall meter shows, after
comparing the two once. It knows nothing of a battery.
https://www.raspberrypi.com/documentation/computers/os.html#vcgencmd
"""

import re
import subprocess

from device import errors
from device.power import reading

_COMMAND = ("vcgencmd", "pmic_read_adc")
_TIMEOUT_S = 5.0

# "  VDD_CORE_A current(7)=1.42880000A", "  VDD_CORE_V volt(15)=0.90659250V"
_VALUE = re.compile(
    r"^\s*(\w+)_([AV]) (?:current|volt)\(\d+\)=(-?\d+(?:\.\d+)?)[AV]\s*$",
    re.MULTILINE)
_INPUT = "EXT5V"  # has a voltage only


class Pmic:
    """What the board draws, and the voltage that it gets.

    Args:
        scale, offset_w: `draw_w` is the rails' sum times the one plus the
            other.
        run: returns the text of `vcgencmd pmic_read_adc`. Raises PowerError.
    """

    name = "Raspberry Pi 5 PMIC"

    def __init__(self, *, scale=1.0, offset_w=0.0, run=None):
        if not (scale > 0 and offset_w >= 0):
            raise errors.PowerError(
                f"{self.name}: scale must be above 0 and offset_w 0 or more, "
                f"but are {scale} and {offset_w}.")
        self._scale, self._offset_w = scale, offset_w
        self._run = run or _vcgencmd

    def read(self):
        """The `reading.Reading` of now. Raises PowerError."""
        rails_w, input_v = parse(self._run())
        return reading.Reading(draw_w=rails_w * self._scale + self._offset_w,
                               voltage_v=input_v)

    def close(self):
        """There is nothing to free."""


def parse(text):
    """(watts of all rails, volts at the input or None) of the output."""
    values = {"A": {}, "V": {}}
    for rail, unit, value in _VALUE.findall(text):
        values[unit][rail] = float(value)
    rails = values["A"].keys() & values["V"].keys()
    if not rails:
        raise errors.PowerError(
            f"{' '.join(_COMMAND)}: no current in its output: "
            f"{text.strip()[:60]!r}. Only a Raspberry Pi 5 measures it.")
    return (sum(values["A"][rail] * values["V"][rail]
                for rail in sorted(rails)), values["V"].get(_INPUT))


def _vcgencmd():
    try:
        process = subprocess.run(_COMMAND, capture_output=True, text=True,
                                 timeout=_TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise errors.PowerError(
            "vcgencmd: not found. It comes with Raspberry Pi OS "
            "(raspi-utils).") from error
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise errors.PowerError(f"{' '.join(_COMMAND)}: {error}.") from error
    if process.returncode:
        raise errors.PowerError(
            f"{' '.join(_COMMAND)}: "
            f"{(process.stderr or process.stdout).strip()[:100]}. The user "
            "must be in group video.")
    return process.stdout
