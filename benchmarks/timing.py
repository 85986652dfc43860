"""Side-by-side timing of ways to answer the same image."""

import time

import numpy as np


def _pair(way, reference, inputs):
    """[N, 2] ms of (way, reference), turn by turn on each input."""
    times = []
    for value in inputs:
        pair = []
        for function in (way, reference):
            started = time.perf_counter()
            function(value)
            pair.append(1e3 * (time.perf_counter() - started))
        times.append(pair)
    return np.array(times)


def against(ways, reference, inputs, warmup=20):
    """Times each way against the reference, pair by pair.

    One pair at a time, so that no more than two networks contend for the
    caches.

    Args:
        ways: name -> callable of one input.
        reference: callable of one input.
        inputs: sequence of inputs.
        warmup: inputs that are run first and not counted.

    Returns:
        name -> medians in ms, and the median and quartiles of the ratio
        way / reference taken input by input.
    """
    result = {}
    for name, way in ways.items():
        _pair(way, reference, inputs[:warmup])
        times = _pair(way, reference, inputs)
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
