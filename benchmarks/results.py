"""What becomes of a benchmark's result, and of its errors."""

import json
import sys

from ddi_tf import errors as ddi_tf_errors
from device import errors as device_errors
from device import whole_file


def report(measure, show, path):
    """Keeps what is measured as JSON, if there is a `path` for it, and shows it.

    Whether `path` can be written is known before anything is measured. An error
    of the project ends the program with one line.

    Args:
        measure: function without arguments; returns what `json` takes.
        show: function of that.
        path: of a file in an existing folder, or None.
    """
    try:
        if path:
            whole_file.check_writable(path, device_errors.OutputError)
        result = measure()
        try:
            if path:
                whole_file.write(path, json.dumps(result, indent=1) + "\n",
                                 device_errors.OutputError)
        finally:  # one of the two is left of it
            show(result)
    except (ddi_tf_errors.DDIError, device_errors.DeviceError) as error:
        sys.exit(f"error: {error}")
