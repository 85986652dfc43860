"""Between a lithium-ion battery's open-circuit voltage and its charge.

Voltage says charge roughly: between 20% and 50% a cell moves by 50 mV, so that
10 mV of error, or of current through the cell's own resistance, are ten points
of charge.
"""

import numpy as np

# One cell of 250 mOhm at 20 C: volts at rest at charges of 0, 5%, ... 100%.
# ocv-capacity-table-0 of arch/arm64/boot/dts/sprd/sp9860g-1h10.dts in Linux,
# https://github.com/torvalds/linux
_CELL_V = np.array([
    3.400, 3.605, 3.680, 3.724, 3.752, 3.765, 3.770, 3.773, 3.777, 3.787,
    3.805, 3.835, 3.864, 3.889, 3.917, 3.949, 3.983, 4.022, 4.066, 4.113,
    4.185])
_CHARGE = np.linspace(0, 1, len(_CELL_V))


def charge(voltage_v, cells=1):
    """Charge, 0 to 1, of `cells` in series that have `voltage_v` at rest."""
    return float(np.interp(voltage_v / cells, _CELL_V, _CHARGE))


def voltage_v(charge_, cells=1):
    """Volts at rest of `cells` in series at a charge of 0 to 1."""
    return cells * float(np.interp(charge_, _CHARGE, _CELL_V))


def at_rest_v(loaded_v, current_a, resistance_ohm):
    """Volts that a battery at work would have at rest.

    Args:
        loaded_v: volts at its poles.
        current_a: amperes out of it; below 0 it charges.
        resistance_ohm: of all its cells and leads together.
    """
    return loaded_v + current_a * resistance_ohm
