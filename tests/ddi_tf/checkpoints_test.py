"""Tests of checkpoints, whole, killed while written, and damaged."""

import os
import pathlib
import re
from unittest import mock

import tensorflow as tf
from absl import logging
from absl.testing import parameterized

from ddi_tf import checkpoints
from ddi_tf import errors


class _Killed(BaseException):
    """Ends a write where a killed process would have ended."""


class _CheckpointsTest(tf.test.TestCase, parameterized.TestCase):
    """Checkpoints of a variable that holds the step."""

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "kept"
        self.kept = checkpoints.Checkpoints(self.path, 3)

    def _save(self, *steps, value=None):
        for step in steps:
            content = tf.Variable([float(step if value is None else value)] * 9)
            self.kept.save(tf.train.Checkpoint(content=content), step)

    def _cut(self, pattern, share):
        """Cuts the files to a share of their length."""
        for path in self.path.glob(pattern):
            path.write_bytes(
                path.read_bytes()[:int(share * path.stat().st_size)])

    def _restored(self):
        """(step, value) that `restore` goes back to."""
        content = tf.Variable([0.0] * 9)
        step = self.kept.restore(tf.train.Checkpoint(content=content))
        return step, float(content[0])

    def _restore(self, step):
        checkpoints.restore(
            tf.train.Checkpoint(content=tf.Variable([0.0] * 9)),
            str(self.path / f"ckpt-{step}"), self.path)


class SaveTest(_CheckpointsTest):

    def test_three_are_kept_and_no_other_files(self):
        self._save(1, 2, 3, 4)
        self.assertEqual(self.kept.steps, [2, 3, 4])
        self.assertEqual(self.kept.latest, str(self.path / "ckpt-4"))
        self.assertEqual(
            sorted(os.listdir(self.path)),
            sorted(f"ckpt-{step}.{suffix}" for step in (2, 3, 4)
                   for suffix in ("index", "data-00000-of-00001")))

    def test_steps_are_compared_as_numbers(self):
        self._save(8, 9, 10, 11)
        self.assertEqual(self.kept.steps, [9, 10, 11])

    def test_a_run_that_turned_back_forgets_what_came_after(self):
        self._save(4, 8, 12)
        self._save(6)
        self.assertEqual(self.kept.steps, [4, 6])

    def test_other_files_are_left_alone(self):
        self.path.mkdir()
        for name in ("ckpt-old.index", "checkpoint", "ckpt-1.index.bak"):
            (self.path / name).write_text("")
        self._save(1, 2, 3, 4)
        self.assertLen(os.listdir(self.path), 9)

    def test_older_ones_go_after_the_new_one_is_on_the_disk(self):
        self._save(1, 2, 3)
        calls = mock.Mock()
        with mock.patch.object(os, "fsync", calls.fsync), mock.patch.object(
                pathlib.Path, "unlink", calls.unlink):
            self._save(4)
        names = [call[0] for call in calls.mock_calls]
        # The first would remove an old 4; the last two are the files of 1.
        self.assertEqual(names, ["fsync", "fsync", "unlink", "fsync",
                                 "unlink", "unlink"])


class KilledTest(_CheckpointsTest):
    """A process that ends anywhere within `save`."""

    def _killed_at_each(self, owner, name, **options):
        """Yields after a save of step 4 that died at the n-th such call."""
        for at in range(9):
            for path in self.path.glob("ckpt-*"):
                path.unlink()
            self._save(1, 2, 3)
            if options:
                self._save(4, value=-4)
            calls = iter(range(99))
            original = getattr(owner, name)

            def dying(*args, **kwargs):
                if next(calls) == at:
                    raise _Killed
                return original(*args, **kwargs)

            # A killed process does not tidy up.
            with mock.patch.object(owner, name, dying), mock.patch.object(
                    checkpoints.shutil, "rmtree"):
                try:
                    self._save(4)
                    return
                except _Killed:
                    pass
            yield at

    def test_the_one_before_or_this_one_is_whole(self):
        found = [self._restored() for owner, name in (
            (tf.train.Checkpoint, "write"), (os, "fsync"), (os, "replace"),
            (pathlib.Path, "unlink"))
            for _ in self._killed_at_each(owner, name)]
        self.assertContainsSubset(found, [(3, 3.0), (4, 4.0)])
        self.assertGreaterEqual(len(found), 9)
        self.assertEqual(set(found), {(3, 3.0), (4, 4.0)})

    def test_what_is_left_does_not_stay(self):
        for _ in self._killed_at_each(os, "replace"):
            self._save(4)
            self.assertLen(os.listdir(self.path), 6)

    def test_one_is_never_half_of_the_one_that_it_replaces(self):
        # 4 is written once more, with another value.
        found = {self._restored() for name in ("replace", "fsync")
                 for _ in self._killed_at_each(os, name, again=True)}
        self.assertEqual(found, {(3, 3.0), (4, -4.0), (4, 4.0)})


class DamageTest(_CheckpointsTest):

    def setUp(self):
        super().setUp()
        self._save(3, 5, 7)

    @parameterized.product(
        files=("ckpt-7.data*", "ckpt-7.index"), share=(0.0, 0.5, 0.99))
    def test_a_cut_file_falls_back_on_the_one_before(self, files, share):
        self._cut(files, share)
        with mock.patch.object(logging, "warning") as warning:
            self.assertEqual(self._restored(), (5, 5.0))
        call, = warning.call_args_list
        self.assertRegex(
            call.args[0] % call.args[1:],
            r"kept/ckpt-7 cannot be restored \(.+\): going on from step 5")

    def test_changed_bytes_fall_back_too(self):
        path, = self.path.glob("ckpt-7.data*")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with mock.patch.object(logging, "warning"):
            self.assertEqual(self._restored(), (5, 5.0))

    def test_a_missing_data_file_falls_back_too(self):
        self._remove("ckpt-7.data*")
        with mock.patch.object(logging, "warning"):
            self.assertEqual(self._restored(), (5, 5.0))

    def test_without_its_index_a_checkpoint_is_not_there(self):
        self._remove("ckpt-7.index")
        self.assertEqual(self._restored(), (5, 5.0))

    def test_when_none_can_be_read_all_are_named(self):
        self._cut("*.data*", 0.5)
        with self.assertRaisesRegex(
                errors.CheckpointError,
                "ckpt-7 and .*ckpt-5 and .*ckpt-3 cannot be restored .*"
                "another --run"):
            self._restored()

    def test_none_at_all_is_no_error(self):
        self._remove("*")
        self.assertEqual(self._restored(), (None, 0.0))

    @parameterized.product(
        files=("ckpt-7.data*", "ckpt-7.index"), share=(0.0, 0.5, 0.99))
    def test_who_asks_for_one_is_told_the_remedy(self, files, share):
        self._cut(files, share)
        with self.assertRaisesRegex(
                errors.CheckpointError,
                "ckpt-7 cannot be restored .*goes on from the checkpoint bef"):
            self._restore(7)

    def _remove(self, pattern):
        for path in self.path.glob(pattern):
            path.unlink()


class FullDiskTest(_CheckpointsTest):

    def test_what_tensorflow_cannot_write_is_named(self):
        self._save(1)
        full = tf.errors.ResourceExhaustedError(
            None, None, f"{self.path}/unfinished/x; No space left on device")
        with mock.patch.object(
                tf.train.Checkpoint, "write", side_effect=full):
            with self.assertRaisesRegex(
                    errors.StorageError, re.escape(
                        f"{self.path}/ckpt-2 cannot be written (") +
                    ".*No space left.*intact.*same command"):
                self._save(2)
        self.assertEqual(self._restored(), (1, 1.0))
        self.assertLen(os.listdir(self.path), 2)

    def test_a_folder_that_cannot_be_made_is_named(self):
        self.path.write_text("a file in the way")
        with self.assertRaisesRegex(
                errors.StorageError, "kept/ckpt-1 cannot be written"):
            self._save(1)


if __name__ == "__main__":
    tf.test.main()
