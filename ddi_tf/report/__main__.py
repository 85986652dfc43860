"""Makes one page about trained runs, with the paper's figures and more.

    python -m ddi_tf.report --runs=RUN,RUN,... --output=report.html

Reads the traces that `python -m ddi_tf.evaluate` wrote for tune and test, and
no images. Beside the page, report_files/ holds each figure as .svg, .png and
.csv.
"""

import pathlib
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags

from ddi_tf import errors

try:
    from ddi_tf.report import build
    from ddi_tf.report import page
except ModuleNotFoundError as missing:
    sys.exit(f"error: a report needs {missing.name}: "
             "pip install -e \".[train,report]\"")

_RUNS = flags.DEFINE_list(
    "runs", None, "Folders of runs of one data set, separated by commas; those "
    "that differ only by their seed are shown as mean and spread.",
    required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Path of the page; its folder is made.", required=True)
_BEST = flags.DEFINE_bool(
    "best", False, "Take the networks of the best epoch on tune.")
_PROFILE = flags.DEFINE_string(
    "profile", None, "What python -m device.profile measured, for costs in "
    "time of runs whose traces hold none.")


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    output = pathlib.Path(_OUTPUT.value)
    try:
        build.report(_RUNS.value, output, _BEST.value, _PROFILE.value)
    except errors.DDIError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; the page was not written.")
    print(f"Wrote {output} ({output.stat().st_size / 1e6:.1f} MB); its figures "
          f"as .svg, .png and .csv are in {page.files_folder(output)}.\n"
          "Next: open it in a browser; it needs no network and no other file.")


if __name__ == "__main__":
    app.run(main)
