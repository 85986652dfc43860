"""Says what is in a bundle: its graphs, their costs, and a picture of its plan.

    python -m converters.inspect --bundle=BUNDLE
    python -m converters.inspect --bundle=BUNDLE --profile=profile.json \
        --picture=plan.svg
"""

import pathlib
import sys

from absl import app
from absl import flags

from converters import plan_table
from ddi_tf import errors
from device import bundle as bundle_lib
from device import errors as device_errors
from device import profile as profile_lib

_BUNDLE = flags.DEFINE_string(
    "bundle", None, "Folder that converters.export wrote.", required=True)
_PROFILE = flags.DEFINE_string(
    "profile", None, "What python -m device.profile measured of this bundle: "
    "adds latency, in milliseconds.")
_PICTURE = flags.DEFINE_string(
    "picture", None, "Draws the plan into this file, .svg or .png.")

_SUFFIXES = (".svg", ".png")


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    try:
        draw = None if _PICTURE.value is None else _painter(_PICTURE.value)
        bundle = bundle_lib.load(_BUNDLE.value)
        profile = None if _PROFILE.value is None else profile_lib.load(
            _PROFILE.value, bundle)
        if draw is not None:
            draw(bundle, pathlib.Path(_PICTURE.value))
        plan_table.print_bundle(bundle, profile, sys.stdout)
    except BrokenPipeError:  # whoever reads it, as `head`, has seen enough
        sys.exit(1)
    except (errors.DDIError, device_errors.DeviceError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped.")
    if draw is not None:
        print(f"\nDrew the plan: {_PICTURE.value}")


def _painter(path):
    """`plan_picture.write`. Raises ConfigError for a suffix it cannot write.

    Imported only here: a table should neither wait for TensorFlow, which
    writing files safely takes, nor want matplotlib.
    """
    suffix = pathlib.Path(path).suffix
    if suffix.lower() not in _SUFFIXES:
        raise errors.ConfigError(
            f"--picture={path}: expected a name that ends in "
            f"{' or '.join(_SUFFIXES)}, found {suffix or 'none'}. Rename it.")
    try:
        import matplotlib  # noqa: F401 (before TensorFlow takes its seconds)

        from ddi_tf import quiet  # noqa: F401 (loads it silently)

        from converters import plan_picture
    except ModuleNotFoundError as missing:
        raise errors.ConfigError(
            f"--picture: drawing needs {missing.name}, which is not installed: "
            "pip install -e \".[train,report]\"") from None
    return plan_picture.write


if __name__ == "__main__":
    app.run(main)
