"""Errors of the device package; each says what, where, and the remedy."""


class DeviceError(Exception):
    """Root of every error that `device` raises at a user."""


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


class PowerError(DeviceError):
    """A source of battery readings that is not there, or talks nonsense."""


class InputError(DeviceError):
    """A source of images that cannot be opened, or was lost."""


class OutputError(DeviceError):
    """Answers that cannot be written."""


class StateError(DeviceError):
    """A state file that cannot be written, or is of something else."""
