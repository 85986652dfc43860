"""What the device's environment takes, and how soon it answers.

    .venv/litert/bin/python benchmarks/footprint.py --bundle=BUNDLE --input=IMAGES

Size: of the packages that `ddi-tf[device]` needs, as they are installed here,
each with what it needs itself. Cold start: from the start of the process
`python -m device.run` to its first answer, files in the operating system's cache.
"""

import importlib.metadata
import json
import re
import subprocess
import sys
import time

import numpy as np
from absl import app
from absl import flags

from device import machine

_BUNDLE = flags.DEFINE_string("bundle", None, "Bundle.", required=True)
_INPUT = flags.DEFINE_string("input", None, "Images.", required=True)
_STARTS = flags.DEFINE_integer("starts", 10, "Processes.", lower_bound=1)


def main(argv):
    del argv
    interpreter = machine.interpreter()
    sizes = _sizes(["ddi-tf", interpreter.name])
    seconds = [_first_answer_s() for _ in range(_STARTS.value + 1)][1:]
    print(json.dumps({
        "interpreter": vars(interpreter), "python": sys.version.split()[0],
        "packages_mb": sizes, "installed_mb": round(sum(sizes.values()), 1),
        "starts": len(seconds),
        "first_answer_s": {"median": round(float(np.median(seconds)), 3),
                           "least": round(min(seconds), 3),
                           "most": round(max(seconds), 3)}}, indent=1))


def _sizes(names):
    """Package -> megabytes, of those named and all that they need."""
    found, ahead = {}, list(names)
    while ahead:
        name = re.sub(r"[-_.]+", "-", ahead.pop()).lower()
        if name in found:
            continue
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # needed elsewhere: another system, or Python
        files = [file.locate() for file in package.files or ()]
        found[name] = round(sum(
            path.stat().st_size for path in files if path.is_file()) / 1e6, 2)
        ahead += [re.match(r"[\w.-]+", need).group()
                  for need in package.requires or () if "extra ==" not in need]
    return found


def _first_answer_s():
    """Seconds until a new process has written its first line."""
    started = time.perf_counter()
    with subprocess.Popen(
            [sys.executable, "-m", "device.run", f"--bundle={_BUNDLE.value}",
             f"--input={_INPUT.value}"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL) as process:
        line = process.stdout.readline()
        seconds = time.perf_counter() - started
        process.stdout.read()
    if b'"label"' not in line:
        raise RuntimeError(f"expected an answer, found {line!r:.200}")
    return seconds


if __name__ == "__main__":
    app.run(main)
