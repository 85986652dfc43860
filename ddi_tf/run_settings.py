"""What run.json says of a run, and in what two of them differ."""

import json

from ddi_tf import data


def quantizes(settings):
    """Whether the run ends with a network of int8 numbers."""
    epochs = settings.get("schedule", {}).get("epochs", {})
    return bool(epochs.get("quantize", 0))


def scaling(settings):
    """`data.Scaling` of the images that the run is trained on."""
    return data.Scaling(**{name: tuple(values) for name, values in
                           settings["data"]["scaling"].items()})


def as_read(settings):
    """Settings as they are once written and read again."""
    return json.loads(json.dumps(settings))


def changes(old, new, name=""):
    """Says of every setting that differs what it was and what it is now."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from changes(
                old.get(key), new.get(key), f"{name}.{key}" if name else key)
    elif old != new:
        yield f"{name} was {json.dumps(old)}, now is {json.dumps(new)}"
