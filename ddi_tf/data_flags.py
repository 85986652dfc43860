"""The flags that choose a data set, the same for every command."""

from absl import flags

from ddi_tf import crops
from ddi_tf import data
from ddi_tf import errors
from ddi_tf import sources

_NAME = flags.DEFINE_enum(
    "data_name", "digits", sorted(sources.DATASETS), "Data set; `folder` is "
    "your own images in --data_dir.")
_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of prepared TFDS data (unset: TFDS's default), "
    "or for --data_name=folder of a sub-folder of images per class.")
_DOWNLOAD = flags.DEFINE_bool(
    "data_download", False, "Let TFDS fetch a data set that is missing.")
_IMAGE_SIZE = flags.DEFINE_integer(
    "data_image_size", None, "Height and width in pixels that images are "
    "resized to; unset: 224 for imagenette and imagenet2012, 32 for others.",
    lower_bound=8)
_CROP = flags.DEFINE_enum(
    "data_crop", "auto", crops.NAMES, "Training crops: shifted by up to 4 "
    "pixels, or zoomed (random area and aspect, resized); auto: shifted up to "
    "64 pixels, zoomed above.")
_FLIP = flags.DEFINE_bool(
    "data_flip", None, "Whether training mirrors images left to right; unset: "
    "all but digits.")
_MEMORY = flags.DEFINE_float(
    "data_memory_gb", sources.MEMORY_GB, "Most that decoded images may take "
    "in memory, in GB (10^9 bytes); training holds them twice.", lower_bound=0)
_CACHE = flags.DEFINE_string(
    "data_cache", None, "Folder for decoded images: decoded once, and read "
    "from there while training if they exceed --data_memory_gb.")

_LISTED = 10  # classes that an error names


def load(name=None):
    """The `data.Dataset` that the flags choose, or `name` with their options.

    Called by `main`s only. Raises DataError.
    """
    return _load(name or _NAME.value, sources.Options(
        folder=_DIR.value, download=_DOWNLOAD.value,
        image_size=_IMAGE_SIZE.value, crop=_CROP.value, flip=_FLIP.value,
        memory_gb=_MEMORY.value, cache=_CACHE.value))


def load_of(settings):
    """The `data.Dataset` that a run was trained on, scaled as it was then.

    Name, image size and crop are the run's; where the data is, the flags say.
    Called by `main`s only.

    Args:
        settings: of the run, as `run_folder.RunFolder.settings`.

    Raises:
        DataError: it is not there, or has other classes than the run's.
    """
    known = settings["data"]
    options = sources.Options(
        folder=_DIR.value, download=_DOWNLOAD.value,
        image_size=settings["network"]["image_shape"][0],
        crop=known.get("crop", "shift"), flip=known.get("flip"),
        memory_gb=_MEMORY.value, cache=_CACHE.value)
    dataset = _load(known["name"], options)
    trained, found = list(known["label_names"]), list(dataset.label_names)
    if trained != found:
        raise errors.DataError(
            "the run was trained on the classes "
            f"{errors.listed(trained, _LISTED)}; found "
            f"{errors.listed(found, _LISTED)}. Give the run's data as "
            "--data_dir.")
    scaling = {key: tuple(value) for key, value in known["scaling"].items()}
    return dataset._replace(scaling=data.Scaling(**scaling))


def _load(name, options):
    try:
        return sources.load(name, options)
    except KeyboardInterrupt:
        raise errors.DataError(
            "stopped while reading the data; nothing was trained.") from None
