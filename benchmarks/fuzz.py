"""Whether damaged bundles, images or arguments crash, hang or pass for whole.

    python benchmarks/fuzz.py --cases=1000

Cases are numbered; the same seed, kind and number is the same case again:

    python benchmarks/fuzz.py --kinds=graph_flip --first=123 --cases=1

They run in a process of their own, which a crash ends and which is ended when
it hangs. The kind `graph_forged` (other bytes in a graph, its hash made right)
reaches the interpreter's native code: what ends the process there is counted,
but no finding of ours.
"""

import collections
import itertools
import json
import multiprocessing
import os
import pathlib
import resource
import signal
import sys
import tempfile
import time
import traceback
from typing import NamedTuple, Optional

from absl import app
from absl import flags
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests" / "device"))

import fuzz_arguments
import fuzz_bundle
import fuzz_images
import fuzzing

_MODULES = {kind: module
            for module in (fuzz_bundle, fuzz_images, fuzz_arguments)
            for kind in module.KINDS}
_MODULES.update(dict.fromkeys(fuzz_bundle.NATIVE_KINDS, fuzz_bundle))

_CASES = flags.DEFINE_integer("cases", 1000, "Cases of every kind.",
                              lower_bound=1)
_FIRST = flags.DEFINE_integer("first", 0, "Number of the first.", lower_bound=0)
_SEED = flags.DEFINE_integer("seed", 0, "Of all cases.")
_KINDS = flags.DEFINE_multi_enum(
    "kinds", sorted(_MODULES), sorted(_MODULES), "Kinds of cases.")

_PROCESSES = multiprocessing.get_context("fork")


class Result(NamedTuple):
    """How a case ended."""

    outcome: str             # class of the error, or what was made of it
    seconds: float
    finding: Optional[str]   # what should not have been, for a person
    rss_mib: float           # the most that its process ever had


def main(argv):
    del argv
    started = time.monotonic()
    numbers = range(_FIRST.value, _FIRST.value + _CASES.value)
    kinds, findings, rss_mib = {}, 0, 0
    with tempfile.TemporaryDirectory() as root:
        for kind in track(_KINDS.value, console=Console(stderr=True)):
            results = list(_results(kind, _SEED.value, numbers, root))
            for number, result in zip(numbers, results, strict=True):
                if result.finding:
                    findings += 1
                    print(f"{kind} {number}: {result.finding}", file=sys.stderr)
            kinds[kind] = {
                "outcomes": dict(collections.Counter(
                    result.outcome for result in results)),
                "worst_ms": round(1e3 * max(r.seconds for r in results), 1)}
            rss_mib = max(rss_mib, *(r.rss_mib for r in results))
    print(json.dumps({
        "cases": len(kinds) * len(numbers), "findings": findings,
        "seed": _SEED.value, "cases_per_kind": len(numbers),
        "seconds": round(time.monotonic() - started, 1),
        "most_rss_mib": round(rss_mib, 1), "kinds": kinds}, indent=1))
    sys.exit(1 if findings else 0)


def _results(kind, seed, numbers, root):
    """The `Result` of every case, in as many processes as it takes."""
    while numbers:
        receiver, sender = _PROCESSES.Pipe(duplex=False)
        process = _PROCESSES.Process(
            target=_work, args=(sender, kind, seed, numbers, root))
        process.start()
        sender.close()
        for result in itertools.islice(
                _received(receiver, process, kind), len(numbers)):
            numbers = numbers[1:]
            yield result
        process.join()


def _received(receiver, process, kind):
    """`Result`s of a process, the last of the case that ended it."""
    while True:
        began = time.monotonic()
        # The process itself stops what hangs in Python.
        if not receiver.poll(2 * fuzzing.LONGEST_S):
            process.kill()
        try:
            yield receiver.recv()
        except EOFError:
            break
    process.join()
    outcome = f"ended by {signal.Signals(-process.exitcode).name}"
    is_ours = kind not in fuzz_bundle.NATIVE_KINDS
    yield Result(outcome, time.monotonic() - began,
                 outcome if is_ours else None, 0)


def _work(sender, kind, seed, numbers, root):
    """Runs cases and sends their `Result`s."""
    # The interpreter writes what it thinks of every damaged graph.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    target = _MODULES[kind].Target(tempfile.mkdtemp(dir=root))
    for number in numbers:
        began = time.monotonic()
        try:
            outcome, finding = fuzzing.run(target, kind, seed, number), None
        except BaseException as error:  # whatever it is, it is a finding
            outcome, finding = type(error).__name__, "".join(
                traceback.format_exception(error)[-6:])
        sender.send(Result(
            outcome, time.monotonic() - began, finding,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


if __name__ == "__main__":
    app.run(main)
