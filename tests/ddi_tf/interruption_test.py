"""Tests of Ctrl-C and SIGTERM: the first is a wish, the second an order."""

import os
import signal
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from ddi_tf import interruption


class InterruptionTest(parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.enter_context(mock.patch.object(os, "write"))
        before = {number: signal.getsignal(number)
                  for number in (signal.SIGINT, signal.SIGTERM)}
        self.addCleanup(lambda: self.assertEqual(
            before, {number: signal.getsignal(number) for number in before}))

    @parameterized.parameters(signal.SIGINT, signal.SIGTERM)
    def test_the_first_signal_is_only_noted_and_said(self, number):
        with interruption.Interruption() as interrupt:
            self.assertFalse(interrupt.requested())
            os.kill(os.getpid(), number)
            self.assertTrue(interrupt.requested())
            self.assertEqual(interrupt.signal, number)
        (stream, text), = (call.args for call in os.write.call_args_list)
        self.assertEqual(stream, 2)
        self.assertIn(b"stopping after this step", text)

    @parameterized.parameters(signal.SIGINT, signal.SIGTERM)
    def test_a_second_ctrl_c_stops_at_once(self, first):
        with self.assertRaises(KeyboardInterrupt):
            with interruption.Interruption():
                os.kill(os.getpid(), first)
                os.kill(os.getpid(), signal.SIGINT)

    def test_after_training_ctrl_c_is_what_it_was(self):
        with interruption.Interruption():
            pass
        with self.assertRaises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    absltest.main()
