"""Side-by-side timing of ways to answer the same images."""

import time

import numpy as np


def _turns(way, reference, inputs, burst):
    """[N, 2] ms of (way, reference) per input, in turns of `burst` inputs."""
    times = np.empty([len(inputs), 2])
    for start in range(0, len(inputs), burst):
        for column, function in enumerate((way, reference)):
            for index in range(start, min(start + burst, len(inputs))):
                started = time.perf_counter()
                function(inputs[index])
                times[index, column] = 1e3 * (time.perf_counter() - started)
    return times


def against(ways, reference, inputs, burst, warmup=20):
    """Times each way against the reference, one pair of networks at a time.

    Args:
        ways: name -> callable of one input.
        reference: callable of one input.
        inputs: sequence of inputs.
        burst: inputs that one of the two takes before it is the other's turn.
            1 leaves each the caches that the other has filled; a longer burst
            measures a network that has the machine for itself, as on a device.
        warmup: inputs that are run first and not counted.

    Returns:
        name -> medians in ms, and the median and quartiles of the ratio
        way / reference taken input by input.
    """
    result = {}
    for name, way in ways.items():
        _turns(way, reference, inputs[:warmup], burst)
        times = _turns(way, reference, inputs, burst)
        ratios = times[:, 0] / times[:, 1]
        result[name] = {
            "median_ms": _rounded(np.median(times[:, 0])),
            "reference_median_ms": _rounded(np.median(times[:, 1])),
            "ratio": _rounded(np.median(ratios)),
            "ratio_quartiles": [_rounded(np.percentile(ratios, q))
                                for q in (25, 75)]}
    return result


def _rounded(value):
    return round(float(value), 4)
