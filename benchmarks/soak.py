"""Whether memory grows, over a million images.

    python benchmarks/soak.py --bundle=BUNDLE --input=TEST.npz
    python benchmarks/soak.py --bundle=BUNDLE --input=TEST.npz --command

The images come again and again, with every operating point of the bundle and
with hard budgets in turn. With --command they go through all of `device.run`:
standard input, answers in a file that is rotated, state.
"""

import json
import os
import pathlib
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time

from absl import app
from absl import flags

from device import bundle as bundle_lib
from device import controller as controller_lib
from device import images as images_lib
from device import summary as summary_lib

_BUNDLE = flags.DEFINE_string("bundle", None, "Bundle.", required=True)
_INPUT = flags.DEFINE_string("input", None, ".npz of images.", required=True)
_IMAGES = flags.DEFINE_integer("images", 1_000_000, "Images after the warm-up.",
                               lower_bound=1)
_WARMUP = flags.DEFINE_integer("warmup", 1000, "Images before memory counts.",
                               lower_bound=0)
_EVERY = flags.DEFINE_integer("every", 100_000, "Images from one look at the "
                              "memory to the next.", lower_bound=1)
_COMMAND = flags.DEFINE_bool("command", False, "Through `device.run`.")


class InProcess:
    """A controller and a summary in this process.

    Attributes:
        pid: of the process whose memory counts.
    """

    def __init__(self, bundle):
        self._summary = summary_lib.Summary(bundle)
        self._controller = controller_lib.Controller(bundle)
        costs = self._controller.tariff
        self._ways = [
            {"thresholds": point.thresholds, **budget}
            for point in bundle.manifest.operating_points
            for budget in (
                {}, {"max_macs": costs.macs.cheapest},
                {"max_macs": 2 * costs.macs.cheapest},
                {"max_energy_mj": 3e-9 * costs.energy_pj.cheapest})]
        self.pid = os.getpid()

    def classify(self, number, image):
        answer = self._controller.classify(
            image, **self._ways[number % len(self._ways)])
        self._summary.add(answer, None)

    def close(self):
        """Values of the `summary.Summary`."""
        return self._summary.values()


class Command:
    """`python -m device.run`, fed through its standard input."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "device.run", f"--bundle={_BUNDLE.value}",
             "--input=-", f"--output={self._folder / 'answers.jsonl'}",
             "--output_max_mb=1", "--output_keep=1",
             f"--state={self._folder / 'state.json'}",
             f"--summary={self._folder / 'summary.json'}"],
            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.pid = self._process.pid

    def classify(self, number, image):
        del number
        content = image.tobytes()
        self._process.stdin.write(struct.pack(">I", len(content)) + content)

    def close(self):
        self._process.stdin.close()
        if self._process.wait():
            sys.exit(f"device.run ended with status {self._process.returncode}")
        return json.loads((self._folder / "summary.json").read_text())


def main(argv):
    del argv
    bundle = bundle_lib.load(_BUNDLE.value)
    source = images_lib.Source(_INPUT.value, bundle.manifest.input.shape)
    order = random.Random(0)
    found = [item.image for item in source]
    total = _WARMUP.value + _IMAGES.value
    with tempfile.TemporaryDirectory() as folder:
        way = Command(folder) if _COMMAND.value else InProcess(bundle)
        started, rss_mib = time.monotonic(), {}
        for number in range(total + 1):
            passed = number - _WARMUP.value
            if passed >= 0 and (passed % _EVERY.value == 0 or number == total):
                rss_mib[passed] = _rss_mib(way.pid)
                # No bar of rich's: it grows by two bytes an image itself.
                print(f"{passed:,}: {rss_mib[passed]} MiB", file=sys.stderr)
            if number < total:
                way.classify(number, order.choice(found))
        summary = way.close()
    first, last = rss_mib[0], rss_mib[_IMAGES.value]
    print(json.dumps({
        "images": _IMAGES.value, "warmup": _WARMUP.value,
        "through": "device.run" if _COMMAND.value else "controller",
        "seconds": round(time.monotonic() - started, 1),
        "answered": summary["images"], "failed": summary["failed"],
        "exits": summary["exits"], "rss_mib": rss_mib,
        "rss_start_mib": first, "rss_end_mib": last,
        "growth_mib": round(last - first, 2)}, indent=1))


def _rss_mib(pid):
    """Resident memory of a process."""
    statm = pathlib.Path(f"/proc/{pid}/statm").read_text(encoding="ascii")
    return round(int(statm.split()[1]) * resource.getpagesize() / 2**20, 2)


if __name__ == "__main__":
    app.run(main)
