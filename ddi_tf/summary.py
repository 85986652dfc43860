"""Prints what a training run came to, finished or not.

    python -m ddi_tf.summary --run=RUN
"""

import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags

from ddi_tf import errors
from ddi_tf import run_folder
from ddi_tf import run_summary
from ddi_tf import strategies
from ddi_tf import summary_page

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    folder = run_folder.RunFolder(_RUN.value)
    try:
        network = strategies.make(folder.network_config)
        found = run_summary.values(folder, network)
    except errors.DDIError as error:
        sys.exit(f"error: {error}")
    summary_page.show(found, sys.stdout)


if __name__ == "__main__":
    app.run(main)
