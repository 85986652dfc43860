"""Lets the tests here import their helpers, and those of the other two."""

import pathlib
import sys

_HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(_HERE), *(
    str(_HERE.parent / name) for name in ("device", "ddi_tf"))]
