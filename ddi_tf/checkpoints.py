"""TensorFlow checkpoints that are whole or not there, and the last few of them.

TensorFlow writes a checkpoint's files in place and leaves it to the system when
they reach the disk. Here they are written aside, forced to the disk and moved,
the index last; only then do older ones go. So a process killed at any moment
leaves the checkpoint before it, or this one.
"""

import os
import pathlib
import re
import shutil

import tensorflow as tf
from absl import logging

from ddi_tf import errors
from ddi_tf import storage

_ASIDE = "unfinished"  # folder beside the checkpoints


def write(checkpoint, prefix):
    """Writes a `tf.train.Checkpoint`, in place of an old one if there is one.

    Args:
        checkpoint: `tf.train.Checkpoint`.
        prefix: path of the files without their suffixes.

    Raises:
        StorageError: the disk is full or the folder not writable.
    """
    prefix = pathlib.Path(prefix)
    aside = prefix.parent / _ASIDE
    with storage.writing(prefix):
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            checkpoint.write(str(aside / prefix.name))
            written = (*aside.glob(f"{prefix.name}.data-*"),
                       _index(aside / prefix.name))
            for path in written:
                storage.sync(path)
            # The old index must not meet the new data; without an index there
            # is no checkpoint.
            _index(prefix).unlink(missing_ok=True)
            for path in written:
                os.replace(path, prefix.with_name(path.name))
            storage.sync(prefix.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def restore(checkpoint, prefix, where):
    """Reads a checkpoint into `checkpoint`'s objects, all of them.

    Args:
        checkpoint: `tf.train.Checkpoint`.
        prefix: as for `write`, or None.
        where: what to name when there is no checkpoint.

    Raises:
        CheckpointError: `prefix` is None or missing, truncated or of another
            network.
    """
    if prefix is None or not _index(pathlib.Path(prefix)).exists():
        raise errors.CheckpointError(
            f"{where} holds no checkpoint{f' {prefix}' if prefix else ''}. "
            "Train first: python -m ddi_tf.train --run=...")
    if damage := _read(checkpoint, prefix):
        raise errors.CheckpointError(
            f"{prefix} cannot be restored ({damage}). It is truncated or of "
            "another network. The training command, given again, goes on from "
            "the checkpoint before it; for a phase's or the best network train "
            "in another --run.")


class Checkpoints:
    """The last few checkpoints of a folder, one per step.

    Args:
        folder: path; made by `save`.
        keep: how many there are at most.
    """

    def __init__(self, folder, keep):
        self.folder, self._keep = pathlib.Path(folder), keep

    @property
    def steps(self):
        """The steps that are there, ascending."""
        return sorted(step for step, path in self._files()
                      if path.suffix == ".index")

    @property
    def latest(self):
        """Prefix of the newest, or None."""
        return self._prefix(self.steps[-1]) if self.steps else None

    def save(self, checkpoint, step):
        """Writes `checkpoint` as that of `step`, then deletes older ones.

        Those of later steps go as well: the run has turned back and will do
        these steps anew.

        Raises:
            StorageError: as `write`.
        """
        write(checkpoint, self._prefix(step))
        kept = [other for other in self.steps if other <= step][-self._keep:]
        with storage.writing(self.folder):
            # The index first: ".index" sorts after ".data".
            for other, path in sorted(self._files(), reverse=True):
                if other not in kept:
                    path.unlink()

    def restore(self, checkpoint):
        """Restores the newest that can be read. Returns its step, or None.

        Raises:
            CheckpointError: there are some, and none of them can be read.
        """
        damaged = {}
        for step in reversed(self.steps):
            damage = _read(checkpoint, self._prefix(step))
            if not damage:
                for prefix, reason in damaged.items():
                    logging.warning("%s cannot be restored (%s): going on from "
                                    "step %d instead.", prefix, reason, step)
                return step
            damaged[self._prefix(step)] = damage
        if damaged:
            raise errors.CheckpointError(
                f"{' and '.join(damaged)} cannot be restored "
                f"({next(iter(damaged.values()))}), and there is no other "
                "checkpoint. They are truncated or of another network: train "
                "in another --run.")
        return None

    def _prefix(self, step):
        return str(self.folder / f"ckpt-{step}")

    def _files(self):
        """(step, path) of every file of every checkpoint."""
        for path in self.folder.glob("ckpt-*"):
            if match := re.fullmatch(
                    r"ckpt-(\d+)\.(index|data-\d+-of-\d+)", path.name):
                yield int(match[1]), path


def _read(checkpoint, prefix):
    """Reads all of a checkpoint; returns why that is not possible, or None."""
    try:
        # `read`, unlike `restore`, expects no counter of saves.
        status = checkpoint.read(str(prefix))
        status.expect_partial()
        status.assert_existing_objects_matched()
    except (tf.errors.OpError, ValueError, AssertionError, LookupError,
            RuntimeError) as error:  # the reader's choice depends on the damage
        return storage.reason(error)
    return None


def _index(prefix):
    return prefix.with_name(prefix.name + ".index")
