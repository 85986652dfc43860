"""device.outputs.opening: outputs by name, and runs that are killed."""

import contextlib
import itertools
import os
import random
import sqlite3
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from device import errors
from device.outputs import json_lines
from device.outputs import opening
from device.outputs import records
import answers
import command_case
import forked


class OpeningTest(command_case.CommandCase):

    def open(self, name, **options):
        output = opening.open_output(str(self.folder / name), **options)
        self.addCleanup(output.close)
        return output

    @parameterized.parameters("a.jsonl", "a.JSON", "a.csv", "a.db", "a.sqlite3")
    def test_a_name_says_what_is_written_and_nothing_is_overwritten(self, name):
        with self.open(name) as output:
            self.assertIsNone(output.last)
            output.write(answers.record(0))
        content = (self.folder / name).read_bytes()
        kind = {"a.csv": b"number,time,", "a.db": b"SQLite format 3\0",
                "a.sqlite3": b"SQLite format 3\0"}.get(name, b'{"number": 0')
        self.assertStartsWith(content, kind)
        with self.assertRaisesRegex(
                errors.OutputError, f"{name}: exists already. Give another "
                "name, move it away, or go on with it by --state"):
            self.open(name)
        self.assertEqual((self.folder / name).read_bytes(), content)
        self.assertEqual(self.open(name, going_on=True).last["number"], 0)

    def test_old_files_of_another_run_are_not_pushed_out(self):
        (self.folder / "a.jsonl.1").write_text("old")
        with self.assertRaisesRegex(errors.OutputError, r"l\.1: exists alread"):
            self.open("a.jsonl")

    def test_an_empty_file_may_be_used(self):
        (self.folder / "a.jsonl").touch()
        self.open("a.jsonl")

    def test_megabytes_rotate(self):
        with self.open("a.jsonl", max_mb=0.0001, keep=1) as output:
            for number in range(4):
                output.write(answers.record(number))
        self.assertLessEqual((self.folder / "a.jsonl").stat().st_size, 100)
        self.assertTrue((self.folder / "a.jsonl.1").exists())
        self.assertFalse((self.folder / "a.jsonl.2").exists())

    def test_a_dash_is_standard_output(self):
        self.assertIsInstance(opening.open_output("-"), json_lines.Stdout)

    @parameterized.parameters(
        ("a.txt", {}, r"expected a name that ends in \.jsonl, .*\.sqlite3, or"),
        ("a", {}, "expected a name that ends in"),
        ("a.csv", {"max_mb": float("nan")}, "largest size above 0, found nan"),
        ("a.csv", {"max_mb": float("inf")}, "largest size above 0, found inf"),
        ("a.csv", {"max_mb": 0.0}, r"largest size above 0, found 0\.0"),
        ("a.db", {"max_mb": 1}, "expected no largest size, since a database"),
        ("none/a.jsonl", {}, r"cannot be written \(No such file or directory"),
        ("none/a.db", {}, r"cannot be written \(unable to open database"))
    def test_mistakes_are_said(self, name, options, message):
        with self.assertRaisesRegex(errors.OutputError, message):
            self.open(name, **options)


class StdoutTest(command_case.CommandCase):

    def test_a_record_is_a_line(self):
        path = self.folder / "out"
        with open(path, "w", encoding="utf-8") as file:
            with json_lines.Stdout(file) as output:
                output.write(answers.record(1))
                output.sync()
                self.assertEqual((output.last, output.pending), (None, 0))
                self.assertStartsWith(path.read_text(), '{"number": 1, ')
        self.assertEqual(path.read_text().count("\n"), 1)

    def test_a_full_disk_behind_it_is_an_error(self):
        with open("/dev/full", "w", encoding="utf-8") as file:
            with self.assertRaisesRegex(
                    errors.OutputError, r"standard output: cannot be written "
                    r"\(No space left on device\)\. Keep its reader running"):
                json_lines.Stdout(file).write(answers.record(1))

    def test_a_reader_that_left_is_an_error(self):
        read, write = os.pipe()
        os.close(read)
        with open(write, "w", encoding="utf-8") as file:
            with self.assertRaisesRegex(errors.OutputError, "Broken pipe"):
                json_lines.Stdout(file).write(answers.record(1))


class KilledTest(command_case.CommandCase):
    """kill -9 while answers are written, ten times; then the run goes on."""

    def run_for_ever(self, begun, path, options):
        """What a run does: goes on with the numbers, one after the other."""
        # The power stays on: a kill shall hit more than waits for the disk.
        with mock.patch.object(os, "fsync"):
            output = opening.open_output(str(path), going_on=True, **options)
            first = 0 if output.last is None else output.last["number"] + 1
            begun()
            for number in itertools.count(first):
                output.write(answers.record(number))

    def kill_ten_times(self, path, **options):
        moments = random.Random(6)
        for _ in range(10):
            forked.kill(self.run_for_ever, path, options,
                        after_s=moments.uniform(0, 0.03))

    def assert_complete(self, numbers):
        self.assertGreater(len(numbers), 10)
        self.assertEqual(numbers, list(range(len(numbers))))

    @parameterized.parameters("a.jsonl", "a.csv")
    def test_no_line_is_half_and_no_number_missing_or_twice(self, name):
        path = self.folder / name
        self.kill_ten_times(path, max_mb=0.002, keep=10_000)
        # Going on cuts off the last half line.
        opening.open_output(str(path), going_on=True).close()
        format_ = opening._LINES[path.suffix]
        files = sorted(self.folder.iterdir(),
                       key=lambda file: -int(f"0{file.suffix[1:]}")
                       if file.suffix[1:].isdecimal() else 1)
        self.assertGreater(len(files), 1)
        numbers = []
        for file in files:
            lines = file.read_bytes().splitlines(keepends=True)
            if format_.header and lines:
                self.assertEqual(lines.pop(0), format_.header)
            for line in lines:
                self.assertEndsWith(line, b"\n")
                numbers.append(format_.decode(line)["number"])
        self.assert_complete(numbers)

    def test_no_row_is_missing(self):
        path = self.folder / "a.db"
        self.kill_ten_times(path)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            rows = connection.execute(
                f"SELECT {', '.join(records.COLUMNS)} FROM answers "
                "ORDER BY number").fetchall()
        self.assert_complete([row[0] for row in rows])


if __name__ == "__main__":
    absltest.main()
