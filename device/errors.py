"""Errors of the device package; each says what, where, and the remedy."""


# Characters of a message: some lines of a terminal.
_LONGEST = 1500


class DeviceError(Exception):
    """Root of every error that `device` raises at a user.

    Its message is one printable line, whatever it quotes: names of files and
    values in them may hold line ends, control characters or megabytes.
    """

    def __init__(self, message):
        # The remedy stands at the end.
        if len(message) > _LONGEST:
            message = f"{message[:_LONGEST - 300]} ... {message[-300:]}"
        super().__init__("".join(
            character if character.isprintable() else ascii(character)[1:-1]
            for character in message))


class BundleError(DeviceError):
    """A bundle that is incomplete, altered, inconsistent or too new."""


class BudgetError(DeviceError, ValueError):
    """A budget below the cheapest way to any answer."""


class ImageError(DeviceError, ValueError):
    """An image, or a set of images, that cannot be classified."""


class ThresholdError(DeviceError, ValueError):
    """Exit thresholds that do not fit the network."""


class RuntimeMissingError(DeviceError, ImportError):
    """No TFLite interpreter is installed."""


class ProfileError(DeviceError):
    """A profile that is damaged, of another bundle, or cannot be written."""


class TracesError(DeviceError):
    """Recorded traces that are damaged, or of another network."""


class PowerError(DeviceError):
    """A source of battery readings that is not there, or talks nonsense."""


class InputError(DeviceError):
    """A source of images that cannot be opened, or was lost."""


class OutputError(DeviceError):
    """Answers, or what is told about them, that cannot be written."""


class StateError(DeviceError):
    """A state file that cannot be written, or is of something else."""
