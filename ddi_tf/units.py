"""Numbers with units, as people read them: 5.80 M MACs, 2.33 µJ, 0.21 ms."""

# Unit -> what to write from which size on, largest first.
_SCALES = {
    "MACs": ((1e9, "G MACs"), (1e6, "M MACs"), (1e3, "k MACs"), (1, "MACs")),
    "pJ": ((1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (1, "pJ")),
    "mJ": ((1, "mJ"), (1e-3, "µJ"), (1e-6, "nJ")),
    "ms": ((1e3, "s"), (1, "ms"), (1e-3, "µs")),
}


def scale(size, unit):
    """(divisor, unit) to write numbers of about this size with."""
    scales = _SCALES.get(unit, ((1, unit),))
    return next((pair for pair in scales if abs(size) >= pair[0]), scales[-1])


def in_words(value, unit):
    """A value with three significant digits and its unit."""
    divisor, name = scale(value, unit)
    scaled = value / divisor
    digits = 0 if abs(scaled) >= 100 else 1 if abs(scaled) >= 10 else 2
    return f"{scaled:.{digits}f} {name}"
