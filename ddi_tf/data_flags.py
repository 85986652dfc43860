"""The flags that choose a data set, the same for every command."""

from absl import flags

from ddi_tf import data

_NAME = flags.DEFINE_enum(
    "data_name", "digits", sorted(data.DATASETS), "Data set.")
_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of prepared TFDS data; unset: TFDS's default.")
_DOWNLOAD = flags.DEFINE_bool(
    "data_download", False, "Let TFDS fetch a data set that is missing.")


def load(name=None):
    """The `data.Dataset` that the flags choose, or `name` from their folder.

    Called by `main`s only. Raises DataError.
    """
    return data.load(name or _NAME.value, _DIR.value, _DOWNLOAD.value)
