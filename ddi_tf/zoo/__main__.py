"""Packs, checks and lists trained networks that lie in the repository.

    python -m ddi_tf.zoo list
    python -m ddi_tf.zoo verify NAME [--data_dir=TFDS]
    python -m ddi_tf.zoo pack NAME --run=RUN --bundles=DIR,DIR \
        --notes=FILE --hardware="2 x86-64 cores" --data_dir=TFDS
"""

import pathlib
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags
from rich.console import Console

from ddi_tf import data_flags
from ddi_tf import errors
from ddi_tf import run_folder
from ddi_tf.zoo import entry as entry_lib

try:
    from ddi_tf.zoo import checks
    from ddi_tf.zoo import listing
    from ddi_tf.zoo import packing
except ModuleNotFoundError as missing:
    sys.exit(f"error: the zoo needs {missing.name}: "
             "pip install -e \".[train,report,device]\"")

_ZOO = flags.DEFINE_string("zoo", "zoo", "Folder of the entries.")
_MEASURE = flags.DEFINE_bool(
    "measure", None, "verify: also run network and bundles on the test images; "
    "unset: if --data_dir is given.")
_RUN = flags.DEFINE_string(
    "run", None, "pack: folder of a finished run, with traces of tune and test "
    "(ddi_tf.evaluate).")
_BUNDLES = flags.DEFINE_list(
    "bundles", None, "pack: its bundles, one of each kind of numbers "
    "(converters.export).")
_NOTES = flags.DEFINE_string(
    "notes", None, "pack: Markdown file with the sections `## Intended use` "
    "and `## Limits`.")
_HARDWARE = flags.DEFINE_string(
    "hardware", None, "pack: what trained the network, in words.")
_BEST = flags.DEFINE_bool(
    "best", False, "pack: take the network of the best epoch.")

_USAGE = ("give `list`, `verify NAME` or `pack NAME --run=RUN "
          "--bundles=DIR,DIR --notes=FILE --hardware=WORDS`")


def main(argv):
    quiet.tensorflow_logs()
    try:
        match argv[1:]:
            case ["list"]:
                Console(width=max(110, Console().width)).print(
                    listing.table(_ZOO.value))
            case ["verify", name]:
                _verify(entry_lib.Entry(entry_lib.path(_ZOO.value, name)))
            case ["pack", name]:
                _pack(entry_lib.path(_ZOO.value, name))
            case _:
                sys.exit(f"error: {_USAGE}.")
    except errors.DDIError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing was written.")


def _pack(where):
    missing = [f"--{flag.name}" for flag in (_RUN, _BUNDLES, _NOTES, _HARDWARE)
               if not flag.value]
    if missing:
        raise errors.ConfigError(f"pack needs {', '.join(missing)} as well.")
    run = run_folder.RunFolder(_RUN.value, _BEST.value)
    packing.pack(packing.Sources(
        run, tuple(_BUNDLES.value), _text(_NOTES.value), _HARDWARE.value,
        data_flags.load_of(run.settings).part("test")), where)
    print(f"Packed {where}: {entry_lib.size(where) / 1e6:.1f} MB.\n"
          f"Next: read {where / 'card.md'}; python -m ddi_tf.zoo verify "
          f"{where.name}")


def _text(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise errors.ConfigError(
            f"--notes={path} cannot be read "
            f"({getattr(error, 'strerror', None) or error}). Give a Markdown "
            "file.") from None


def _verify(entry):
    if not entry.path.is_dir():
        raise errors.ZooError(
            f"there is no {entry.path}. `python -m ddi_tf.zoo list` says what "
            "there is.")
    failed = 0
    for title, check in _checks(entry):
        failures = checks.run(check, entry)
        for failure in failures:
            print(f"FAILED  {title}: {failure}", flush=True)
        if not failures:
            print(f"ok      {title}", flush=True)
        failed += len(failures)
    if failed:
        sys.exit(f"error: {entry.path}: {failed} failed.")


def _checks(entry):
    """(title, check), those of images once the others are done."""
    yield from checks.of_files()
    measure = _MEASURE.value
    if flags.FLAGS.data_dir is not None if measure is None else measure:
        yield from checks.of_images(data_flags.load_of(entry.run.settings))


if __name__ == "__main__":
    app.run(main)
