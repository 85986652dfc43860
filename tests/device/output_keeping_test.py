"""device.outputs.keeping: what cannot be written now is written later."""

import time
from unittest import mock

from absl.testing import absltest

from device import errors
from device.outputs import keeping
import answers


class FakeSink:
    """A disk that is `full` as long as a test wants."""

    last = None

    def __init__(self):
        self.full, self.found, self.syncs, self.closed = False, [], 0, False

    def append(self, value):
        self._work()
        self.found.append(value["number"])

    def sync(self):
        self._work()
        self.syncs += 1

    def close(self):
        self.closed = True

    def _work(self):
        if self.full:
            raise errors.OutputError("answers: cannot be written (full).")


class KeepingTest(absltest.TestCase):

    def setUp(self):
        super().setUp()
        self.sink, self.warnings, self.now_s = FakeSink(), [], 0.0
        self.output = self.open(sync_s=None)

    def open(self, **options):
        return keeping.Keeping(self.sink, clock=lambda: self.now_s,
                               warn=self.warnings.append, **options)

    def write(self, *numbers):
        for number in numbers:
            self.output.write(answers.record(number))

    def test_records_are_written_at_once(self):
        self.write(1, 2)
        self.assertEqual(self.sink.found, [1, 2])
        self.assertEqual(self.sink.syncs, 0)
        self.output.close()
        self.output.close()
        self.assertEqual((self.sink.syncs, self.sink.closed), (1, True))
        self.assertEmpty(self.warnings)

    def test_what_a_full_disk_refuses_is_written_later_in_order(self):
        self.write(1)
        self.sink.full = True
        self.write(2, 3, 4)
        self.assertEqual((self.sink.found, self.output.pending), ([1], 3))
        self.sink.full = False
        self.write(5)
        self.assertEqual(self.sink.found, [1])  # not so soon
        self.now_s = 1.0
        self.write(6)
        self.assertEqual(self.sink.found, [1, 2, 3, 4, 5, 6])
        self.assertEqual((self.output.pending, self.output.dropped), (0, 0))
        first, second = self.warnings
        self.assertRegex(first, r"\(full\)\. Answers are kept in memory and "
                         r"written when there is room; only the last 10,000")
        self.assertEqual(second, "Answers are written again; 0 are lost.")

    def test_attempts_become_rare_but_never_end(self):
        self.sink.full = True
        attempts = []
        append = self.sink.append
        self.sink.append = lambda value: (
            attempts.append(self.now_s), append(value))
        for self.now_s in range(200):
            self.write(self.now_s)
        self.assertEqual(attempts, [0, 1, 3, 7, 15, 31, 63, 123, 183])
        self.assertLen(self.warnings, 1)

    def test_while_nothing_comes_a_sync_tries_again(self):
        self.sink.full = True
        self.write(1)
        self.sink.full = False
        self.output.sync()
        self.assertEqual(self.sink.found, [])
        self.now_s = 1.0
        self.output.sync()
        self.assertEqual((self.sink.found, self.sink.syncs), ([1], 1))

    def test_it_syncs_only_what_is_new(self):
        self.write(1)
        for _ in range(3):
            self.output.sync()
        self.assertEqual(self.sink.syncs, 1)

    def test_memory_is_bounded_and_what_is_lost_is_told(self):
        self.output = self.open(sync_s=None, most=3)
        self.sink.full = True
        self.write(*range(5))
        self.assertEqual((self.output.pending, self.output.dropped), (3, 2))
        self.sink.full, self.now_s = False, 1.0
        self.write(5)
        self.assertEqual(self.sink.found, [3, 4, 5])  # one more was dropped
        self.assertEqual(self.warnings[-1],
                         "Answers are written again; 3 are lost.")
        with self.assertRaisesRegex(errors.OutputError, "3 answers are lost"):
            self.output.close()

    def test_closing_tries_once_more(self):
        self.sink.full = True
        self.write(1)
        self.sink.full = False
        self.output.close()
        self.assertEqual(self.sink.found, [1])

    def test_closing_on_a_full_disk_tells_what_is_lost_and_why(self):
        self.sink.full = True
        self.write(1, 2)
        with self.assertRaisesRegex(
                errors.OutputError, r"^2 answers are lost\. answers: cannot be "
                r"written \(full\)\.$"):
            self.output.close()
        self.assertTrue(self.sink.closed)

    def test_a_thread_syncs(self):
        self.output = self.open(sync_s=0.01)
        self.write(1)
        for _ in range(1000):
            if self.sink.syncs:
                break
            time.sleep(0.01)
        self.assertEqual(self.sink.syncs, 1)
        self.output.close()
        self.assertEqual(self.sink.syncs, 1)

    def test_a_clock_that_is_set_back_changes_nothing(self):
        self.output = keeping.Keeping(self.sink, sync_s=0.01)
        with mock.patch.object(time, "time", lambda: -3600.0):
            self.write(1)
            for _ in range(1000):
                if self.sink.syncs:
                    break
                time.sleep(0.01)
        self.output.close()
        self.assertEqual((self.sink.found, self.sink.syncs), ([1], 1))


if __name__ == "__main__":
    absltest.main()
