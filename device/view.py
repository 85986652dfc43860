"""The live view of a run: a terminal screen, drawn by the image loop itself."""

import collections
import contextlib
import io
import sys
import time

from rich.console import Console
from rich.live import Live

from device import errors
from device.terminal import screen

# Often enough to look alive, as long as drawing takes no more than a
# twentieth of the time: on a slow machine that is what decides.
_PERIOD_S = 1 / 8
_SHARE = 1 / 20

# More than the columns of a wide terminal, and than anybody reads.
_LATEST = 300
_MESSAGES = 20


class View:
    """Shows a run on the terminal of standard error; a context manager.

    While it is open, what is printed to `sys.stderr` would spoil the screen: it
    is shown in the last line instead, and the last 20 lines are printed when
    the view closes. A terminal that goes away ends the view, not the run.

    Args:
        manifest: `bundle.Manifest`.
        console: `rich.console.Console` to draw on; default: standard error's.
        clock: seconds, of a clock that is never set.

    Raises:
        OutputError: there is no terminal to draw on.
    """

    def __init__(self, manifest, console=None, clock=time.monotonic):
        # Bound to the stream of now: `sys.stderr` is replaced meanwhile.
        self._console = console or Console(file=sys.stderr)
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            raise errors.OutputError(
                "--view needs a terminal on standard error that can move its "
                "cursor, and there is none. Run it in one, or without --view.")
        self._manifest, self._clock = manifest, clock
        self._latest_macs = collections.deque(maxlen=_LATEST)
        self._marks = collections.deque(maxlen=_LATEST)  # (seconds, answered)
        self._answered, self._last = 0, None
        self._messages = _Messages()
        self._next_s = None
        # No thread that redraws: it would take time from an image.
        self._live = Live(console=self._console, screen=True,
                          auto_refresh=False, redirect_stdout=False,
                          redirect_stderr=False)
        self._gone = False

    def __enter__(self):
        with self._terminal():
            self._live.start()
        self._redirection = contextlib.redirect_stderr(self._messages)
        self._redirection.__enter__()
        return self

    def __exit__(self, *exception):
        self._redirection.__exit__(*exception)
        with self._terminal():
            self._live.stop()
        self._messages.write("\n")  # ends what was begun
        for line in self._messages.lines:
            print(line, file=sys.stderr)

    def update(self, status):
        """Draws a `status.Status`, if it is time to.

        To be called for every image; also while there is none, so that the
        clock goes on: an answer that was seen before is not counted again.
        """
        answer = status.answer
        if answer is not None and answer is not self._last:
            self._last = answer
            self._answered += 1
            self._latest_macs.append(answer.macs)
        now = self._clock()
        if self._gone or (self._next_s is not None and now < self._next_s):
            return
        with self._terminal():
            self._live.update(self._screen(status), refresh=True)
        took_s = self._clock() - now
        self._next_s = now + max(_PERIOD_S, took_s / _SHARE)

    def _screen(self, status):
        if not self._marks or self._marks[-1][1] != self._answered:
            self._marks.append((status.seconds, self._answered))
        since, before = self._marks[0]
        passed_s = status.seconds - since
        lines = self._messages.lines
        return screen.Screen(status, self._manifest, screen.Recent(
            (self._answered - before) / passed_s if passed_s > 0 else None,
            tuple(self._latest_macs), lines[-1] if lines else ""))

    @contextlib.contextmanager
    def _terminal(self):
        """Where writing to the terminal may fail: it was closed."""
        try:
            yield
        except OSError:
            self._gone = True


class _Messages(io.TextIOBase):
    """Keeps the last lines that are written."""

    def __init__(self):
        super().__init__()
        self.lines = collections.deque(maxlen=_MESSAGES)
        self._begun = ""

    def write(self, text):
        *lines, self._begun = (self._begun + text).split("\n")
        self.lines.extend(line for line in lines if line.strip())
        return len(text)
