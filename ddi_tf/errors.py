"""Errors a caller may want to catch; each says what, where, the remedy.

Beside them `listed`, for their messages.
"""


def listed(items, most, separator=", ", last=" "):
    """The first `most` of some texts for a message: "a, b and 3 more".

    Args:
        items: list of texts.
        most: how many are named.
        separator: what stands between them.
        last: what stands before the number of the others, if there are any.
    """
    rest = len(items) - most
    return separator.join(items[:most]) + (
        f"{last}and {rest} more" if rest > 0 else "")


class DDIError(Exception):
    """Root of every error that `ddi_tf` and `converters` raise at a user."""


class ConfigError(DDIError, ValueError):
    """A setting, or a combination of settings, that makes no network or run."""


class DataError(DDIError):
    """A data set that is missing, incomplete or not what its name says."""


class CheckpointError(DDIError):
    """A run folder without a checkpoint, or with one that cannot be read."""


class TracesError(DDIError):
    """Traces that are missing, damaged or of another network."""


class StorageError(DDIError):
    """A file that cannot be written (a full disk, no permission)."""


class ZooError(DDIError):
    """An entry of the zoo that is incomplete, or not what its card says."""


class StoppedError(DDIError):
    """Training was asked to stop, and has saved."""


class TrainingError(DDIError):
    """Training cannot go on (a loss that is not finite)."""


class LostWorkerError(TrainingError):
    """Another worker of a distributed run is gone."""


class ExportError(DDIError):
    """A subgraph that does not convert, or does not compute what Keras does."""
