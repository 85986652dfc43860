"""Tests of writing files: whole, on a full disk, where nobody may write."""

import errno
import os
import pathlib
from unittest import mock

import tensorflow as tf

from ddi_tf import errors
from ddi_tf import storage

_FULL = OSError(errno.ENOSPC, "No space left on device")


class StorageTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "a.txt"

    def test_text_is_written_in_utf8_and_nothing_else_is_left(self):
        storage.write_atomically(self.path, "one\nzwölf")
        self.assertEqual(self.path.read_bytes(), "one\nzwölf".encode())
        self.assertEqual(os.listdir(self.path.parent), ["a.txt"])

    def test_an_old_file_is_replaced(self):
        storage.write_atomically(str(self.path), "a longer old text")
        storage.write_atomically(str(self.path), "new")
        self.assertEqual(self.path.read_text(), "new")

    def test_a_full_disk_is_named_and_the_old_text_stays(self):
        self.path.write_text("old")
        with mock.patch.object(os, "fsync", side_effect=_FULL):
            with self.assertRaisesRegex(
                    errors.StorageError,
                    f"{self.path} cannot be written .No space left on device."
                    ".*intact.*same command"):
                storage.write_atomically(self.path, "new")
        self.assertEqual(self.path.read_text(), "old")
        self.assertEqual(os.listdir(self.path.parent), ["a.txt"])

    def test_a_line_is_added_and_on_the_disk(self):
        with mock.patch.object(os, "fsync", wraps=os.fsync) as fsync:
            storage.append(self.path, "one")
            storage.append(self.path, "two")
        self.assertEqual(self.path.read_text(), "one\ntwo\n")
        self.assertEqual(fsync.call_count, 2)

    def test_a_device_that_is_always_full_is_named(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("this system has no /dev/full")
        self.path.symlink_to("/dev/full")
        with self.assertRaisesRegex(
                errors.StorageError, f"{self.path} cannot be written .No sp"):
            storage.append(self.path, "line")

    def test_a_folder_that_is_missing_is_named(self):
        path = self.path / "b.txt"
        for write in (storage.write_atomically, storage.append):
            with self.assertRaisesRegex(
                    errors.StorageError, f"{path} cannot be written .No such"):
                write(path, "text")


if __name__ == "__main__":
    tf.test.main()
