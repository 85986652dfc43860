"""device.outputs.sqlite_file: every answer is a row, or none at all."""

import contextlib
import os
import sqlite3
from unittest import mock

from absl.testing import absltest

from device import errors
from device.outputs import sqlite_file
import answers
import command_case


class SqliteTest(command_case.CommandCase):

    def setUp(self):
        super().setUp()
        self.path = self.folder / "a.db"

    def open(self):
        file = sqlite_file.SqliteFile(self.path)
        self.addCleanup(file.close)
        return file

    def rows(self, columns="*"):
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(
                f"SELECT {columns} FROM answers ORDER BY number").fetchall()

    def test_a_record_is_a_row(self):
        self.open().append({
            "number": 7, "time": "t", "image": "\udcff.png", "label": "frog",
            "probability": 0.5, "blocks_run": {"b": [0]}, "macs": 12,
            "late": True})
        self.assertEqual(self.rows(), [
            (7, "t", "\\udcff.png", "frog", 0.5, None, None, '{"b": [0]}', 12,
             None, None, 1, None, None)])

    def test_it_goes_on(self):
        file = self.open()
        self.assertIsNone(file.last)
        for number in (0, 1, 1):  # the second 1 is the same record once more
            file.append(answers.record(number))
        file.sync()
        file.close()
        last = self.open().last
        self.assertEqual((last["number"], last["image"]), (1, "1.png"))
        self.assertEqual(self.rows("number"), [(0,), (1,)])

    def test_others_can_read_it_meanwhile(self):
        file = self.open()
        file.append(answers.record(0))
        with contextlib.closing(sqlite3.connect(self.path)) as reader:
            reader.execute("BEGIN")
            self.assertLen(
                reader.execute("SELECT * FROM answers").fetchall(), 1)
            file.append(answers.record(1))
            file.sync()
        self.assertLen(self.rows(), 2)

    def test_a_sync_is_of_the_log(self):
        file = self.open()
        file.append(answers.record(0))
        synced = []
        with mock.patch.object(os, "fsync", lambda descriptor: synced.append(
                os.path.realpath(f"/proc/self/fd/{descriptor}"))):
            file.sync()
        self.assertEqual(synced, [os.path.realpath(self.path) + "-wal"])

    def test_a_full_disk_writes_no_half_record(self):
        file = self.open()
        file.append(answers.record(0))
        connection = file._connection
        pages, = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        large = {**answers.record(1), "error": 9000 * "x"}
        with self.assertRaisesRegex(
                errors.OutputError, r"cannot be written \(.* disk is full\)"):
            file.append(large)
        self.assertEqual(self.rows("number"), [(0,)])
        connection.execute("PRAGMA max_page_count = 1000")
        file.append(large)
        self.assertEqual(self.rows("number"), [(0,), (1,)])

    def test_what_is_something_else_is_refused(self):
        self.path.write_bytes(b"my diary, which is no database" * 100)
        with self.assertRaisesRegex(
                errors.OutputError, r"\(file is not a database\)"):
            self.open()
        self.path.unlink()
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            connection.execute("CREATE TABLE answers (number INTEGER, x TEXT)")
        with self.assertRaisesRegex(
                errors.OutputError, "columns of this version, found number, x"):
            self.open()


if __name__ == "__main__":
    absltest.main()
