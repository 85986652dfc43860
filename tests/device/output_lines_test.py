"""device.outputs.line_file, .json_lines, .csv_file: whole lines, always."""

import contextlib
import csv
import errno
import json
import os
import resource
from unittest import mock

import hypothesis
from absl.testing import absltest
from absl.testing import parameterized
from hypothesis import strategies as st

from device import errors
from device.outputs import csv_file
from device.outputs import json_lines
from device.outputs import line_file
from device.outputs import records
import answers
import command_case
import forked
import strategies

FORMATS = (("json", json_lines.FORMAT), ("csv", csv_file.FORMAT))

FULL = {
    "number": 7, "time": "2026-11-25T02:50:00+00:00", "image": "a, \"b\".png",
    "label": "frog", "probability": 0.5, "exit": "exit3", "entropy": 0.25,
    "blocks_run": {"stage1_block0": [0, 1]}, "macs": 12, "energy_mj": 0.125,
    "latency_ms": 1.5, "late": False, "operating_point": "default"}


class LinesCase(command_case.CommandCase):

    def setUp(self):
        super().setUp()
        self.path = self.folder / "answers"

    def write(self, format_, numbers, **options):
        """Opens the file, appends these records; the last one it held."""
        file = line_file.LineFile(self.path, format_, **options)
        for number in numbers:
            file.append(answers.record(number))
        file.sync()
        file.close()
        return file.last

    def numbers(self, format_, path=None):
        """Numbers of a file; fails if a line is not a whole record."""
        content = (path or self.path).read_bytes()
        self.assertTrue(content.startswith(format_.header))
        lines = content[len(format_.header):].splitlines(keepends=True)
        for line in lines:
            self.assertEndsWith(line, b"\n")
        return [format_.decode(line)["number"] for line in lines]


class FormatsTest(LinesCase):

    def test_a_json_line_is_the_record(self):
        line = json_lines.FORMAT.encode(FULL)
        self.assertEqual(json.loads(line), FULL)
        self.assertStartsWith(line, json_lines.FORMAT.beginning)

    def test_a_csv_line_has_every_column(self):
        line = csv_file.FORMAT.encode(FULL)
        self.assertEqual(
            line.decode(), '7,2026-11-25T02:50:00+00:00,"a, ""b"".png",frog,'
            '0.5,exit3,0.25,"{""stage1_block0"": [0, 1]}",12,0.125,1.5,0,'
            'default,\n')
        self.assertEqual(csv_file.FORMAT.decode(line),
                         {"number": 7, "image": 'a, "b".png'})

    def test_csv_readers_find_their_way(self):
        self.path.write_bytes(csv_file.FORMAT.header + csv_file.FORMAT.encode(
            {"number": 1, "time": "t", "image": "a.png", "error": "it broke"}))
        with open(self.path, newline="", encoding="utf-8") as file:
            row, = csv.DictReader(file)
        self.assertEqual(list(row), list(records.COLUMNS))
        self.assertEqual({k: v for k, v in row.items() if v}, {
            "number": "1", "time": "t", "image": "a.png", "error": "it broke"})

    def test_a_record_of_other_keys_is_a_mistake(self):
        with self.assertRaisesRegex(ValueError, "Received: colour"):
            csv_file.FORMAT.encode({"number": 1, "colour": "red"})

    @strategies.SETTINGS
    @hypothesis.given(st.text(st.characters()))
    def test_any_name_is_one_line_that_is_read_again(self, name):
        for _, format_ in FORMATS:
            line = format_.encode({"number": 3, "image": name})
            self.assertEqual(line.count(b"\n"), 1)
            self.assertEndsWith(line, b"\n")
            self.assertEqual(format_.decode(line)["number"], 3)
        self.assertEqual(json_lines.FORMAT.decode(
            json_lines.FORMAT.encode({"number": 3, "image": name}))["image"],
            name)

    @strategies.SETTINGS
    @hypothesis.given(st.binary() | st.sampled_from([
        b"[" * 9999, b"[]\n", b"7\n", b'{"number": "7"}\n', b"null\n",
        13 * b"x," + b"\n", 13 * b"," + b"\n"]))
    def test_garbage_is_no_record(self, content):
        for _, format_ in FORMATS:
            self.assertIsNone(format_.decode(content))


class GoingOnTest(LinesCase):

    @parameterized.named_parameters(*FORMATS)
    def test_records_are_added_to_those_that_are_there(self, format_):
        self.assertIsNone(self.write(format_, range(3)))
        last = self.write(format_, range(3, 5))
        self.assertEqual((last["number"], last["image"]), (2, "2.png"))
        self.assertEqual(self.numbers(format_), [0, 1, 2, 3, 4])

    @parameterized.named_parameters(*FORMATS)
    def test_a_file_cut_at_any_byte_goes_on_after_its_last_whole_line(
            self, format_):
        self.write(format_, range(3))
        content = self.path.read_bytes()
        ends = [len(format_.header) + len(format_.encode(answers.record(0))) * n
                for n in range(4)]
        self.assertEqual(ends[-1], len(content))
        self.enter_context(mock.patch.object(os, "fsync"))  # takes its time
        for length in range(len(content) + 1):
            self.path = self.folder / str(length)
            self.path.write_bytes(content[:length])
            whole = max([n for n in range(4) if ends[n] <= length], default=0)
            with contextlib.closing(
                    line_file.LineFile(self.path, format_)) as file:
                self.assertEqual(file.last and file.last["number"],
                                 whole - 1 if whole else None)
                file.append(answers.record(whole))
            self.assertEqual(self.numbers(format_), list(range(whole + 1)))

    @parameterized.named_parameters(*FORMATS)
    def test_blocks_that_never_reached_the_disk_are_cut_off(self, format_):
        self.write(format_, range(2))
        for hole in (bytes(5000), bytes(50) + b'": 1}\n', b"\n\n"):
            with open(self.path, "ab") as file:
                file.write(hole)
            self.assertEqual(self.write(format_, [])["number"], 1)
            self.assertEqual(self.numbers(format_), [0, 1])
        self.path.write_bytes(bytes(4096))
        self.assertIsNone(self.write(format_, [0]))
        self.assertEqual(self.numbers(format_), [0])

    @parameterized.named_parameters(*FORMATS)
    def test_what_is_something_else_is_refused_and_left_alone(self, format_):
        for content in (b"my diary", b"my\ndiary\n", b'{"number"; 1}', b"\n",
                        bytes(2 << 20), b"number,other\n1,2\n"):
            self.path.write_bytes(content)
            with self.assertRaisesRegex(
                    errors.OutputError, "answers: expected answers to go on "
                    "with, found something else. Move it away"):
                self.write(format_, [1])
            self.assertEqual(self.path.read_bytes(), content)

    def test_csv_of_another_version_is_refused(self):
        self.path.write_bytes(b"other columns\n" + csv_file.FORMAT.encode(FULL))
        with self.assertRaisesRegex(
                errors.OutputError, "expected the columns of this version"):
            self.write(csv_file.FORMAT, [1])

    def test_two_runs_do_not_share_a_file(self):
        with contextlib.closing(
                line_file.LineFile(self.path, json_lines.FORMAT)):
            with self.assertRaisesRegex(
                    errors.OutputError, "another run writes to it. Stop that"):
                self.write(json_lines.FORMAT, [])

    def test_a_missing_folder_and_a_folder_are_refused(self):
        for path, message in [(self.folder / "no" / "a", r"\(No such file"),
                              (self.folder, "found a folder or device")]:
            with self.assertRaisesRegex(errors.OutputError, message):
                line_file.LineFile(path, json_lines.FORMAT)


class RotationTest(LinesCase):

    @parameterized.named_parameters(*FORMATS)
    def test_files_stay_small_and_the_last_ones_are_kept(self, format_):
        size = len(format_.encode(answers.record(0)))
        most = len(format_.header) + 3 * size
        self.write(format_, range(10), max_bytes=most + size - 1, keep=2)
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["answers", "answers.1", "answers.2"])
        for name, expected in [("answers", [9]), ("answers.1", [6, 7, 8]),
                               ("answers.2", [3, 4, 5])]:
            self.assertEqual(
                self.numbers(format_, self.folder / name), expected)

    def test_a_gap_that_a_kill_left_between_old_files_is_filled(self):
        for name in ("answers.2", "answers.3"):
            (self.folder / name).write_text(name)
        self.write(json_lines.FORMAT, range(3), max_bytes=1)
        self.assertEqual(
            [(self.folder / f"answers.{n}").read_text()[:12]
             for n in (1, 2, 3, 4)],
            ['{"number": 1', '{"number": 0', "answers.2", "answers.3"])

    def test_a_record_larger_than_a_file_is_a_file(self):
        self.write(json_lines.FORMAT, range(3), max_bytes=1, keep=1)
        self.assertEqual(self.numbers(json_lines.FORMAT), [2])

    @parameterized.named_parameters(*FORMATS)
    def test_a_run_killed_between_two_files_goes_on(self, format_):
        self.write(format_, range(3), keep=3)
        os.rename(self.path, self.folder / "answers.1")
        self.assertEqual(self.write(format_, [3])["number"], 2)
        self.path.write_bytes(format_.header)
        self.assertEqual(self.write(format_, [])["number"], 2)

    def test_a_disk_that_is_full_between_two_files_loses_nothing(self):
        file = line_file.LineFile(self.path, json_lines.FORMAT, max_bytes=60)
        self.addCleanup(file.close)
        file.append(answers.record(0))
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with mock.patch.object(os, "open", side_effect=full):
            for _ in range(2):
                with self.assertRaisesRegex(errors.OutputError, "No space"):
                    file.append(answers.record(1))
        file.append(answers.record(1))
        self.assertEqual(self.numbers(json_lines.FORMAT), [1])
        self.assertEqual(self.numbers(
            json_lines.FORMAT, self.folder / "answers.1"), [0])


class FullDiskTest(LinesCase):

    @parameterized.named_parameters(*FORMATS)
    def test_a_line_that_does_not_fit_is_not_begun(self, format_):
        # A child, as the limit would hold for the files of the test's report.
        forked.check(self._fill, format_)

    def _fill(self, format_):
        file = line_file.LineFile(self.path, format_)
        size = len(format_.encode(answers.record(0)))
        limit = len(format_.header) + 5 * size + size // 2
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        for number in range(5):
            file.append(answers.record(number))
        for _ in range(3):
            with self.assertRaisesRegex(
                    errors.OutputError, r"cannot be written \(File too large\)"
                    r"\. Make room"):
                file.append(answers.record(5))
            self.assertEqual(self.numbers(format_), list(range(5)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        file.append(answers.record(5))
        self.assertEqual(self.numbers(format_), list(range(6)))

    def test_half_a_line_that_cannot_be_cut_off_is_cut_off_later(self):
        file = line_file.LineFile(self.path, json_lines.FORMAT)
        self.addCleanup(file.close)
        file.append(answers.record(0))
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        write = os.write
        with mock.patch.object(os, "ftruncate", side_effect=error):
            with mock.patch.object(os, "write", side_effect=[
                    write(file._descriptor, b'{"numb'), error]):
                with self.assertRaisesRegex(errors.OutputError, "Input/output"):
                    file.append(answers.record(1))
            with self.assertRaisesRegex(errors.OutputError, "Input/output"):
                file.append(answers.record(1))
        file.append(answers.record(1))
        self.assertEqual(self.numbers(json_lines.FORMAT), [0, 1])

    def test_a_sync_that_fails_is_an_error(self):
        file = line_file.LineFile(self.path, json_lines.FORMAT)
        self.addCleanup(file.close)
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        with mock.patch.object(os, "fsync", side_effect=error):
            with self.assertRaisesRegex(errors.OutputError, "Input/output"):
                file.sync()


if __name__ == "__main__":
    absltest.main()
