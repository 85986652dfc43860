"""device.view: when it draws, and how it leaves the terminal."""

import fcntl
import io
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

from absl.testing import absltest
from absl.testing import parameterized
from rich.console import Console

from device import errors
from device import view
import snapshots

_ROOT = pathlib.Path(__file__).parents[2]
_ENTER, _LEAVE = "\x1b[?1049h", "\x1b[?1049l"
_SHOW_CURSOR = "\x1b[?25h"
_DRAWING = "1,234 images"  # is in every one


class Clock:
    """Seconds that pass only when told, and `drawing_s` while it draws."""

    def __init__(self):
        self.now, self.drawing_s = 0.0, 0.0

    def __call__(self):
        return self.now


class SlowFile(io.StringIO):
    """A terminal that takes `clock.drawing_s` to write to."""

    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def flush(self):
        self._clock.now += self._clock.drawing_s


def terminal(file, **environment):
    """A `Console` that takes `file` for a terminal of 80 by 24."""
    return Console(file=file, force_terminal=True, width=80, height=24,
                   _environ={"TERM": "xterm-256color", **environment})


class ViewTest(parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.clock = Clock()
        self.file = SlowFile(self.clock)
        self.view = view.View(
            snapshots.MANIFEST, terminal(self.file), self.clock)

    def drawn(self):
        """How often the screen was drawn."""
        return self.file.getvalue().count(_DRAWING)

    def update(self, **changes):
        self.view.update(snapshots.status(**changes))

    def test_it_draws_at_once_and_then_eight_times_a_second(self):
        with self.view:
            self.update()
            self.assertEqual(self.drawn(), 1)
            for millisecond in range(1000):
                self.clock.now = millisecond / 1000
                self.update()
            self.assertEqual(self.drawn(), 8)

    def test_drawing_takes_a_twentieth_of_the_time_at_most(self):
        with self.view:
            self.clock.drawing_s = 0.1
            self.update()  # from 0 to 0.1 s, or more if it writes twice
            took = self.clock.now
            self.clock.now = 20 * took - 0.01
            self.update()
            self.assertEqual(self.drawn(), 1)
            self.clock.now = 20 * took
            self.update()
            self.assertEqual(self.drawn(), 2)

    def test_pace_and_latest_count_an_image_once(self):
        with self.view:
            for second in range(11):
                answer = snapshots.answer()
                for part in (0, 0.25, 0.5):  # waiting for the next one
                    self.clock.now = second + part
                    self.update(seconds=self.clock.now, answer=answer)
        text = self.file.getvalue().split("\x1b[H")[-1]  # drawn last
        # 10 images after the first in 10.5 seconds.
        self.assertIn("every 1.05 s", text)
        self.assertIn("▂" * 11, text)
        self.assertNotIn("▂" * 12, text)

    def test_the_terminal_is_restored_after_an_error(self):
        with self.assertRaisesRegex(KeyError, "boom"):
            with self.view:
                self.update()
                raise KeyError("boom")
        self.assert_restored(self.file.getvalue())

    def assert_restored(self, text):
        self.assertEqual(text.count(_ENTER), 1)
        after = text[text.rindex(_DRAWING):]
        self.assertIn(_LEAVE, after)
        self.assertIn(_SHOW_CURSOR, after)

    def test_what_is_printed_meanwhile_is_shown_and_printed_afterwards(self):
        printed = io.StringIO()
        with absltest.mock.patch.object(sys, "stderr", printed):
            with self.view:
                for number in range(30):
                    print(f"warning {number}", file=sys.stderr)
                print("half a line", end="", file=sys.stderr)
                self.update()
                self.assertEqual(printed.getvalue(), "")
                self.assertIs(sys.stderr.isatty(), False)
            self.assertIs(sys.stderr, printed)
        self.assertIn("warning 29", self.file.getvalue())
        self.assertNotIn("warning 28", self.file.getvalue())
        self.assertEqual(printed.getvalue().split("\n"), [
            *(f"warning {number}" for number in range(11, 30)),
            "half a line", ""])

    def test_a_terminal_that_is_gone_ends_the_view_not_the_run(self):
        with self.view:
            self.update()
            self.file.flush = absltest.mock.Mock(side_effect=OSError(5, "EIO"))
            for second in range(1, 4):
                self.clock.now = second
                self.update()
        self.assertEqual(self.file.flush.call_count, 2)  # and on leaving

    def test_no_color_is_heeded(self):
        colour = re.compile(r"\x1b\[[0-9;]*38;5")
        for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            file = io.StringIO()
            with view.View(
                    snapshots.MANIFEST, terminal(file, **environment)) as view_:
                view_.update(snapshots.status())
            self.assertEqual(bool(colour.search(file.getvalue())), coloured)

    @parameterized.named_parameters(
        ("a_file", Console(file=io.StringIO(), force_terminal=False)),
        ("a_dumb_terminal", terminal(io.StringIO(), TERM="dumb")))
    def test_without_a_terminal_it_says_so(self, console):
        with self.assertRaisesRegex(errors.OutputError, "needs a terminal"):
            view.View(snapshots.MANIFEST, console)


_PATIENCE_S = 60

# Until it is told to end, which it does as `sys.exit` does.
_RUN = """
import signal, sys, time
sys.path.insert(0, "tests/device")
from device import view
import snapshots
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with view.View(snapshots.MANIFEST) as shown:
    while True:
        shown.update(snapshots.status())
        time.sleep(0.01)
"""


class TerminalTest(absltest.TestCase):

    def setUp(self):
        super().setUp()
        self.ours, theirs = pty.openpty()
        self.addCleanup(os.close, self.ours)
        self.read = b""
        self.resize(24, 80)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _RUN], cwd=_ROOT, stderr=theirs,
            # Where these are set, they are the size, and no terminal is asked.
            env={**{name: value for name, value in os.environ.items()
                    if name not in ("COLUMNS", "LINES")},
                 "TERM": "xterm-256color"})
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        os.close(theirs)

    def resize(self, rows, columns):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, pattern):
        """Reads what is drawn until it matches."""
        text, end = "", time.monotonic() + _PATIENCE_S
        while not re.search(pattern, text):
            self.assertLess(time.monotonic(), end, text[-2000:])
            ready, *_ = select.select([self.ours], [], [], _PATIENCE_S)
            self.assertTrue(ready, f"no {pattern} in {text[-2000:]}")
            self.read += os.read(self.ours, 65536)
            text = self.read.decode(errors="ignore")  # half a character, too

    def test_it_follows_a_resize_and_restores_at_sigterm(self):
        self.read_until("image\\S* \\S*─{70}")
        self.resize(30, 100)
        self.read_until("image\\S* \\S*─{90}")
        self.process.send_signal(signal.SIGTERM)
        self.read_until(re.escape(_LEAVE) + ".*" + re.escape(_SHOW_CURSOR)
                        + "|" + re.escape(_SHOW_CURSOR) + ".*"
                        + re.escape(_LEAVE))
        self.assertEqual(self.process.wait(), 0)


if __name__ == "__main__":
    absltest.main()
