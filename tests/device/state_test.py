"""device.state: what survives a power cut, and what does not stop a start."""

import errno
import os
import time
from unittest import mock

import hypothesis
from absl.testing import absltest
from hypothesis import strategies as st

from device import errors
from device import state
import command_case
import strategies

STATE = {"charge": 0.5, "points": {"default": [1, 2.5, None]}, "name": "x"}


class StateCase(command_case.CommandCase):

    def setUp(self):
        super().setUp()
        self.path = self.folder / "state.json"
        self.warnings = []

    def load(self):
        return state.load(self.path, warn=self.warnings.append)


class FileTest(StateCase):
    """`self.content` is that of a file with STATE."""

    def setUp(self):
        super().setUp()
        state.save(self.path, STATE)
        self.content = self.path.read_bytes()

    def assert_begins_anew(self, content):
        """The damaged file is no state, is told of, and is kept aside."""
        self.warnings.clear()
        self.path.write_bytes(content)
        self.assertIsNone(self.load())
        message, = self.warnings
        self.assertRegex(message, r"state\.json: cannot be used \(.*\)\. "
                         r"Begins anew; .* kept as .*state\.json\.damaged")
        self.assertFalse(self.path.exists())
        self.assertEqual((self.folder / "state.json.damaged").read_bytes(),
                         content)

    def test_what_was_saved_is_loaded(self):
        self.assertEqual(self.load(), STATE)
        self.assertEmpty(self.warnings)

    def test_there_may_be_none(self):
        self.path.unlink()
        self.assertIsNone(self.load())
        self.assertEmpty(self.warnings)

    def test_a_file_cut_at_any_byte_does_not_stop_a_start(self):
        for length in range(len(self.content) - 1):  # all but the line's end
            self.assert_begins_anew(self.content[:length])

    @strategies.MANY
    @hypothesis.given(strategies.POSITIONS, strategies.FLIPS)
    def test_a_changed_byte_gives_no_other_state(self, position, flip):
        content = bytearray(self.content)
        content[int(position * len(content))] ^= flip
        self.path.write_bytes(content)
        self.assertIn(self.load(), [None, STATE])

    @strategies.SETTINGS
    @hypothesis.given(st.binary(max_size=50) | st.sampled_from(
        [b"null", b"[]", b"{}", b"7", b"[" * 9999, b'{"checksum": []}',
         b'{"format_version": 1, "state": {}, "checksum": 1}']))
    def test_anything_else_does_not_stop_a_start(self, content):
        self.assert_begins_anew(content)

    def test_another_version_does_not_stop_a_start(self):
        with mock.patch.object(state, "FORMAT_VERSION", 2):
            state.save(self.path, STATE)
        self.assert_begins_anew(self.path.read_bytes())

    def test_a_worn_card_does_not_stop_a_start(self):
        self.path.write_text("what a card holds")
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        with mock.patch("pathlib.Path.read_bytes", side_effect=error):
            self.assertIsNone(self.load())
        self.assertIn("cannot be used (Input/output error)", self.warnings[0])

    def test_mistakes_of_the_command_line_do(self):
        for path, message in [
                (self.folder, "expected a file to write, found a folder"),
                (self.folder / "none" / "a", "expected its folder to exist")]:
            with self.assertRaisesRegex(errors.StateError, message):
                state.load(path)
        with self.assertRaisesRegex(errors.StateError, "may not be read"):
            with mock.patch("pathlib.Path.read_bytes",
                            side_effect=PermissionError):
                state.load(self.path)


class SaverTest(StateCase):

    def setUp(self):
        super().setUp()
        self.now_s, self.count = 100.0, 0
        self.saver = state.Saver(
            self.path, self.collect, every_s=60, clock=lambda: self.now_s,
            warn=self.warnings.append)

    def collect(self):
        self.count += 1
        return {"count": self.count}

    def test_it_saves_when_it_is_time_and_at_the_end(self):
        for now_s, expected in [(100, None), (159, None), (160, 1), (219, 1),
                                (220, 2), (1000, 3), (1001, 3)]:
            self.now_s = now_s
            self.saver.tick()
            self.assertEqual(self.load(), expected and {"count": expected})
        self.saver.close()
        self.assertEqual(self.load(), {"count": 4})

    def test_a_clock_that_is_set_back_changes_nothing(self):
        saver = state.Saver(self.path, self.collect, every_s=0.02)
        with mock.patch.object(time, "time", lambda: -3600.0):
            time.sleep(0.03)
            saver.tick()
        self.assertEqual(self.load(), {"count": 1})

    def test_a_full_disk_is_one_warning_and_tried_again(self):
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with mock.patch.object(os, "fsync", side_effect=full):
            for _ in range(3):
                self.now_s += 60
                self.saver.tick()
            self.saver.close()
        self.assertEqual(self.count, 4)
        message, = self.warnings
        self.assertRegex(message, r"No space left.*Goes on, and tries again")
        self.now_s += 60
        self.saver.tick()
        self.assertEqual(self.load(), {"count": 5})
        with mock.patch.object(os, "fsync", side_effect=full):
            self.saver.close()
        self.assertLen(self.warnings, 2)


if __name__ == "__main__":
    absltest.main()
