"""What the device's commands have in common: an end without a traceback."""

import contextlib
import sys

from device import errors


def refuse_arguments(argv):
    """Ends the process if there are arguments that are no flags."""
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")


@contextlib.contextmanager
def errors_in_one_line(stopped):
    """Ends the process with one line where a user is told what is wrong.

    Args:
        stopped: the line after Ctrl-C.
    """
    try:
        yield
    except (errors.DeviceError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\n{stopped}")
