"""Starts `python -m ddi_tf.train` and others as a user does, but quickly."""

import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time

_ROOT = pathlib.Path(__file__).parents[2]
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(_ROOT),
                "TF_CPP_MIN_LOG_LEVEL": "3"}

# Importing TensorFlow takes longer than most of these commands: one process
# imports what `ddi_tf.train` imports, and forks once per line (JSON) that it
# reads; each child goes on as `python -m MODULE`.
_FORKING = """
import json, os, resource, runpy, sys
from ddi_tf import data_flags, progress, trainer
from sklearn import datasets
for line in sys.stdin:
    command = json.loads(line)
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(command["streams"][stream - 1],
                            os.O_WRONLY | os.O_CREAT), stream)
        resource.setrlimit(resource.RLIMIT_FSIZE, command["file_bytes"])
        sys.argv[1:] = command["flags"]
        runpy.run_module(command["module"], run_name="__main__", alter_sys=True)
    print(child, flush=True)
    sys.stdin.readline()  # until then an ended child keeps its number
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(status, flush=True)
"""

SMALL = ("--data_name=digits", "--model_depth=8", "--train_batch_size=128")


class Commands:
    """Runs a command with flags, one at a time; see `_FORKING`.

    Args:
        module: the command's.
    """

    def __init__(self, module="ddi_tf.train"):
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORKING], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, cwd=_ROOT, env=_ENVIRONMENT)

    def start(self, *flags, file_bytes=resource.RLIM_INFINITY):
        """A `Command` that runs, and can write files of `file_bytes`."""
        folder = tempfile.TemporaryDirectory()
        paths = [pathlib.Path(folder.name) / name for name in ("out", "err")]
        command = {"module": self._module,
                   "flags": [str(flag) for flag in flags],
                   "streams": [str(path) for path in paths],
                   "file_bytes": [file_bytes, file_bytes]}
        return Command(flags, self._process, command, folder)

    def run(self, *flags, **limits):
        """A `subprocess.CompletedProcess`, as of the command itself."""
        return self.start(*flags, **limits).wait()

    def close(self):
        self._process.communicate()


class Command:
    """A command that was started; `wait` must be called once."""

    def __init__(self, flags, forking, command, folder):
        self._flags, self._forking, self._folder = flags, forking, folder
        self._streams = [pathlib.Path(path) for path in command["streams"]]
        self._number = self._ask(json.dumps(command))

    def _ask(self, line):
        self._forking.stdin.write(line + "\n")
        self._forking.stdin.flush()
        return int(self._forking.stdout.readline())

    def send(self, number=signal.SIGKILL):
        """Sends it a signal, before `wait`; harmless if it has ended."""
        os.kill(self._number, number)

    def await_line(self, text, seconds=120):
        """Returns once it has written `text` to standard error."""
        end = time.monotonic() + seconds
        while not (self._streams[1].exists()
                   and text in self._streams[1].read_text()):
            if time.monotonic() > end:
                raise TimeoutError(self._streams[1].read_text())
            time.sleep(0.02)

    def wait(self):
        """The finished command, a `subprocess.CompletedProcess`."""
        status = self._ask("")
        streams = [path.read_text() for path in self._streams]
        self._folder.cleanup()
        return subprocess.CompletedProcess(self._flags, status, *streams)
