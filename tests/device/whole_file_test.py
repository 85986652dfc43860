"""device.whole_file: the old content or the new, never half of it."""

import errno
import os
from unittest import mock

from absl.testing import absltest

from device import errors
from device import whole_file
import command_case


class WriteTest(command_case.CommandCase):

    def setUp(self):
        super().setUp()
        self.path = self.folder / "file.json"

    def write(self, text):
        whole_file.write(self.path, text, errors.StateError)

    def assert_refused(self, message):
        with self.assertRaisesRegex(errors.StateError, message):
            self.write("new")

    def test_a_file_is_made_and_replaced(self):
        for text in ("one\n", "zwölf\n", ""):
            self.write(text)
            self.assertEqual(self.path.read_text(encoding="utf-8"), text)
        self.assertEqual(os.listdir(self.folder), ["file.json"])

    def test_bytes_are_written_as_they_are(self):
        self.write(b"\x89PNG\r\n\xff")
        self.assertEqual(self.path.read_bytes(), b"\x89PNG\r\n\xff")

    def test_content_is_synced_before_the_name_and_then_the_folder(self):
        calls = mock.Mock()
        calls.fsync.side_effect = os.fsync
        calls.replace.side_effect = os.replace
        with mock.patch.multiple(
                os, fsync=calls.fsync, replace=calls.replace):
            self.write("text")
        self.assertEqual([name for name, *_ in calls.mock_calls],
                         ["fsync", "replace", "fsync"])

    def test_a_full_disk_leaves_the_old_content_and_nothing_else(self):
        self.path.write_text("old")
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for name in ("fsync", "replace"):
            with mock.patch.object(os, name, side_effect=full):
                self.assert_refused(
                    r"file\.json: cannot be written \(No space left.*\)")
            self.assertEqual(self.path.read_text(), "old")
            self.assertEqual(os.listdir(self.folder), ["file.json"])

    def test_a_drive_that_cannot_sync_folders_is_good_enough(self):
        with mock.patch.object(os, "fsync", side_effect=[
                None, OSError(errno.EINVAL, "Invalid argument")]):
            self.write("text")
        self.assertEqual(self.path.read_text(), "text")

    def test_a_link_is_followed(self):
        link = self.folder / "link"
        link.symlink_to(self.path)
        whole_file.write(link, "text", errors.StateError)
        self.assertTrue(link.is_symlink())
        self.assertEqual(self.path.read_text(), "text")

    def test_what_is_no_plain_file_is_refused(self):
        self.path.mkdir()
        self.assert_refused(r"expected a file to write, found a folder or dev")
        self.path.rmdir()
        os.mkfifo(self.path)
        self.assert_refused(r"expected a file to write, found a folder or dev")
        self.path.unlink()
        self.path.symlink_to(self.path)
        self.assert_refused(r"cannot be written \(.*\)\. Give a file in an")

    def test_a_missing_folder_is_refused_by_both(self):
        path = self.folder / "none" / "file"
        for call in (lambda: whole_file.write(path, "", errors.StateError),
                     lambda: whole_file.check_writable(
                         path, errors.StateError)):
            with self.assertRaisesRegex(
                    errors.StateError, r"none/file: cannot be written \(No suc"
                    r"h file or directory\)\. Give a file in an existing fold"):
                call()

    def test_checking_leaves_nothing(self):
        whole_file.check_writable(self.path, errors.StateError)
        self.assertEmpty(os.listdir(self.folder))


if __name__ == "__main__":
    absltest.main()
