"""device.inputs.waiting: a wait that can always be ended."""

import os
import signal
import threading
import time
from unittest import mock

from absl.testing import absltest

from device.inputs import waiting

_LONG_S = 20.0  # nothing here waits for so long, if it works


class WaiterTest(absltest.TestCase):

    def setUp(self):
        super().setUp()
        self.waiter = waiting.Waiter()
        self.addCleanup(self.waiter.close)
        self._began_s = time.monotonic()

    def assert_ended_early(self):
        self.assertLess(time.monotonic() - self._began_s, _LONG_S / 2)

    def test_it_sleeps_as_long_as_asked(self):
        self.assertFalse(self.waiter.wait(0.05))
        self.assertGreaterEqual(time.monotonic() - self._began_s, 0.05)
        self.assertFalse(self.waiter.wait(0))
        self.assertFalse(self.waiter.wait(-1))
        self.assert_ended_early()

    def test_a_signal_handler_ends_it(self):
        before = signal.signal(
            signal.SIGALRM, lambda *unused: self.waiter.stop())
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        self.assertFalse(self.waiter.wait())
        self.assertTrue(self.waiter.stopped)
        self.assertFalse(self.waiter.wait(_LONG_S))
        self.assert_ended_early()

    def test_a_thread_ends_it(self):
        threading.Timer(0.05, self.waiter.stop).start()
        self.assertFalse(self.waiter.wait(_LONG_S))
        self.assert_ended_early()

    def test_it_may_be_stopped_very_often_and_when_closed(self):
        for _ in range(2000):
            self.waiter.stop()
        self.waiter.close()
        self.waiter.close()
        self.waiter.stop()

    def test_something_to_read_ends_it(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.assertFalse(self.waiter.wait(0.01, read))
        os.write(write, b"x")
        self.assertTrue(self.waiter.wait(_LONG_S, read))
        os.read(read, 1)
        os.close(write)
        self.assertTrue(self.waiter.wait(_LONG_S, read))  # the end is something
        self.waiter.stop()
        self.assertFalse(self.waiter.wait(_LONG_S, read))
        self.assert_ended_early()

    def test_idle_time_is_told_about_once_a_second(self):
        self.waiter.idle = mock.Mock()
        with mock.patch.object(waiting, "IDLE_S", 0.03):
            self.waiter.wait(0.2)
            once = self.waiter.idle.call_count
            self.assertBetween(once, 2, 6)
            for _ in range(10):  # many short waits are idle time, too
                self.waiter.wait(0.01)
        self.assertBetween(self.waiter.idle.call_count - once, 1, 4)


if __name__ == "__main__":
    absltest.main()
