"""Recorded readings come back as they were, power cuts included."""

import pathlib
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from device import errors
from device.power import reading
from device.power import replay
from tests.device import power_fakes

_CSV = """seconds,charge,draw_w,voltage_v,charging
5,0.9,2.5,,false
15,0.8,,3.9,True
"""
_FIRST = reading.Reading(0.9, 2.5, None, False)
_SECOND = reading.Reading(0.8, None, 3.9, True)


class ReplayCase(parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))
        self.clock = power_fakes.Clock(100.0)

    def write(self, text, name="log.jsonl"):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def at(self, replayed, seconds):
        self.clock.seconds = 100.0 + seconds
        return replayed.read()


class ReplayTest(ReplayCase):

    def test_csv_by_the_clock_from_its_first_row_on(self):
        replayed = replay.Replay(self.write(_CSV, "log.csv"), self.clock)
        for seconds, expected in ((0.0, _FIRST), (9.9, _FIRST),
                                  (10.0, _SECOND)):
            self.assertEqual(self.at(replayed, seconds), expected)
        with self.assertRaisesRegex(errors.PowerError, "ends after 15 s"):
            self.at(replayed, 10.1)

    def test_json_lines_what_is_left_out_is_unknown(self):
        path = self.write('{"seconds": 0, "charge": 0.5}\n'
                          '{"seconds": 1, "charging": null}')
        replayed = replay.Replay(path, self.clock)
        self.assertEqual(self.at(replayed, 0), reading.Reading(charge=0.5))
        self.assertEqual(self.at(replayed, 1), reading.Reading())

    def test_a_torn_last_line_is_passed_over(self):
        path = self.write('{"seconds": 0, "charge": 0.5}\n{"seconds": 1, "ch')
        self.assertEqual(self.at(replay.Replay(path, self.clock), 0).charge,
                         0.5)

    @parameterized.parameters(
        ("", "no readings"), ("{}\n", "row 1"), ("[1]\n", "row 1"),
        ("nonsense\n", "row 1"), ('{"seconds": NaN}\n', "do not rise"),
        ('{"seconds": 2}\n{"seconds": 1}\n', "row 2"),
        ('{"seconds": 0, "charge": "full"}\n', "full"),
        ('{"seconds": 0, "charge": [1]}\n', "row 1"))
    def test_what_is_no_log_is_refused(self, text, message):
        with self.assertRaisesRegex(errors.PowerError, message):
            replay.Replay(self.write(text), self.clock)

    def test_wrong_csv_is_refused(self):
        for text in ("charge\n0.5\n", "seconds,charging\n0,maybe\n",
                     "seconds\nten\n"):
            with self.assertRaisesRegex(errors.PowerError, "row 1"):
                replay.Replay(self.write(text, "log.csv"), self.clock)

    def test_bytes_that_are_no_text_are_refused(self):
        path = self.folder / "log.jsonl"
        path.write_bytes(b"\xff\xfe\x00")
        with self.assertRaisesRegex(errors.PowerError, "row 1"):
            replay.Replay(path, self.clock)

    def test_a_missing_file(self):
        with self.assertRaisesRegex(errors.PowerError, "cannot be read"):
            replay.Replay(self.folder / "none.csv", self.clock)


class RecorderTest(ReplayCase):

    def record(self, path, rows):
        recorder = replay.Recorder(path, self.clock)
        for seconds, reading_ in rows:
            self.clock.advance(seconds)
            recorder.record(reading_)
        recorder.close()
        recorder.close()

    def test_what_is_recorded_is_replayed(self):
        path = self.folder / "log.jsonl"
        self.record(path, [(5.0, _FIRST), (10.0, _SECOND)])
        self.clock.seconds = 100.0
        replayed = replay.Replay(path, self.clock)
        self.assertEqual(self.at(replayed, 0.0), _FIRST)
        self.assertEqual(self.at(replayed, 10.0), _SECOND)

    def test_a_torn_log_is_mended_and_continued(self):
        path = self.folder / "log.jsonl"
        self.record(path, [(5.0, _FIRST)])
        for piece in ('{"sec\0\0', '{"seconds": 6.0, "charge": 0.'):
            whole = path.read_text(encoding="utf-8")
            path.write_text(whole + piece, encoding="utf-8")
            self.record(path, [(10.0, _SECOND)])
        self.assertEqual(
            [line.split(",")[0] for line in
             path.read_text(encoding="utf-8").splitlines()],
            ['{"seconds": 5.0', '{"seconds": 15.0', '{"seconds": 25.0'])

    @parameterized.parameters("a letter to Ann", "a letter\n", "a,b\n1,2\n",
                              '{"other": 1}\n', "\n")
    def test_another_file_is_left_alone(self, text):
        path = self.write(text, "letter.txt")
        with self.assertRaisesRegex(errors.PowerError, "Name another file"):
            replay.Recorder(path, self.clock)
        self.assertEqual(path.read_text(encoding="utf-8"), text)

    def test_a_folder_that_is_not_there(self):
        with self.assertRaisesRegex(errors.PowerError, "Name another file"):
            replay.Recorder(self.folder / "none" / "log", self.clock)

    def test_nonsense_is_recorded_too(self):
        path = self.folder / "log.jsonl"
        self.record(path, [(0.0, reading.Reading(charge=float("nan"),
                                                 draw_w=object()))])
        self.assertIn('"charge": NaN', path.read_text(encoding="utf-8"))

    @parameterized.parameters(
        {"write.side_effect": OSError(28, "No space left")},
        {"write.return_value": 3}, {"write.return_value": 3,
                                    "close.side_effect": OSError(5, "lost")})
    def test_a_full_disk_ends_the_recording_with_a_warning(self, **file):
        recorder = replay.Recorder(self.folder / "log.jsonl", self.clock)
        full = mock.Mock(**file)
        with mock.patch.object(recorder, "_file", full), \
                self.assertLogs(level="WARNING") as logs:
            recorder.record(_FIRST)
            recorder.record(_SECOND)
        self.assertLen(logs.output, 1)
        self.assertIn("no longer recorded", logs.output[0])


if __name__ == "__main__":
    absltest.main()
