"""A folder into which something drops images, one after the other.

A file is taken when its size and time have not changed between two looks; who
writes slowly should write to another name (a dot first, .part or .tmp last) and
rename it when it is whole. On its way it is in

    FOLDER/answering     while its answer is being found,
    FOLDER/done          when its answer was written (or it is deleted),
    FOLDER/failed        when it could not be decoded, and that was written.

So a crash is seen by what lies in `answering`, and no image is answered twice.
An image whose name one of these folders has, or the last answer, is renamed with
its time of change on the way: answers name the file that lies in `done`.
"""

import itertools
import os
import pathlib

from absl import logging

from device import errors
from device import images
from device.inputs import source


class Watched(source.Input):
    """Looks into a folder again and again, until stopped.

    A folder that goes away (a USB stick) is waited for, with one warning.

    Args:
        folder: path of it.
        shape: (height, width, 3) that images must have.
        delete: remove files when they are answered, in place of moving them
            to `done`.
        every_s: seconds between two looks.
        warn: called with a message.

    Raises:
        InputError: `folder` is something else.
    """

    def __init__(self, folder, shape, *, delete=False, every_s=0.5,
                 warn=logging.warning):
        super().__init__()
        self._folder, self._shape = pathlib.Path(folder), shape
        self._answering = self._folder / "answering"
        self._delete, self._every_s, self._warn = delete, every_s, warn
        self._seen = {}         # name -> (mtime_ns, size) at the last look
        self._answered = set()  # names in `answering` that have their answer
        self._last = None       # name of the last answer
        self._in_trouble = False
        if self._folder.exists() and not self._folder.is_dir():
            raise errors.InputError(
                f"{folder}: expected a folder to watch, found a file. Give "
                "the folder into which images are dropped.")

    def start(self, after):
        self._answered = {after}
        self._last = after

    def __iter__(self):
        while not self._waiter.stopped:
            left, arrived = self._look()
            for take, names in ((self._take, left), (self._claim, arrived)):
                for name in names:
                    if self._waiter.stopped:
                        return
                    item = take(name)
                    if item is not None:
                        yield item
            self._waiter.wait(self._every_s)

    def done(self, item):
        self._answered.add(item.name)
        self._last = item.name
        self._finish(item.name, item.image)

    def _look(self):
        """Names in `answering` to go on with; what arrived, in its order."""
        try:
            seen = dict(self._files(self._folder))
            left = self._left_behind()
        except OSError as error:
            self._trouble(error)
            self._seen = {}
            return [], []
        arrived = sorted((mtime_ns, name)
                         for name, (mtime_ns, size) in seen.items()
                         if self._seen.get(name) == (mtime_ns, size))
        self._seen = seen
        if not arrived and not self._answered:
            self._in_trouble = False
        return left, [name for _, name in arrived]

    def _left_behind(self):
        """Names in `answering` without an answer; moves those that have one."""
        try:
            names = sorted(name for name, _ in self._files(self._answering))
        except FileNotFoundError:
            names = []
        self._answered.intersection_update(names)
        unanswered = [name for name in names if name not in self._answered]
        for name in sorted(self._answered):
            self._finish(name, self._decode(name))
            if name in self._answered:
                break  # the next will not do better now
        return unanswered

    def _files(self, folder):
        """(name, (mtime_ns, size)) of every image file. Raises OSError."""
        with os.scandir(folder) as entries:
            for entry in entries:
                suffix = os.path.splitext(entry.name)[1].lower()
                if (suffix not in images.SUFFIXES or entry.name.startswith(".")
                        or not entry.is_file(follow_symlinks=False)):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # moved on meanwhile
                    continue
                # What is empty has only just been created.
                if status.st_size:
                    yield entry.name, (status.st_mtime_ns, status.st_size)

    def _claim(self, name):
        """Moves a file to `answering`, and is `_take`; None if it cannot be."""
        file = self._folder / name
        try:
            self._answering.mkdir(exist_ok=True)
            free = _free(name, file.stat().st_mtime_ns, self._is_used)
            os.rename(file, self._answering / free)
        except FileNotFoundError:  # moved on meanwhile
            return None
        except OSError as error:
            self._trouble(error)
            return None
        return self._take(free)

    def _is_used(self, name):
        """Whether a file of ours has this name, or the last answer.

        After a crash, what lies in `answering` under the name of the last
        answer is taken for what was answered.
        """
        folders = (self._answering, self._end(False), self._end(True))
        return name == self._last or any(
            (folder / name).exists() for folder in folders)

    def _end(self, failed):
        """The folder in which a file ends."""
        return self._folder / ("failed" if failed else "done")

    def _take(self, name):
        """The `images.Item` of a file in `answering`, None if it went away."""
        image = self._decode(name)
        # A file that went away with its folder will be whole when it is back.
        if (isinstance(image, errors.ImageError)
                and not (self._answering / name).exists()):
            return None
        return images.Item(name, image)

    def _decode(self, name):
        return images.decode(self._answering / name, self._shape, name)

    def _finish(self, name, image):
        """Moves an answered file out of `answering`, if that can be done."""
        file = self._answering / name
        failed = isinstance(image, errors.ImageError)
        try:
            if self._delete and not failed:
                file.unlink()
            else:
                folder = self._end(failed)
                folder.mkdir(exist_ok=True)
                os.rename(file, folder / _free(
                    name, file.stat().st_mtime_ns,
                    lambda name: (folder / name).exists()))
            self._answered.discard(name)
            self._in_trouble = False
        except OSError as error:
            self._trouble(error)

    def _trouble(self, error):
        """Warns, unless it did and nothing has worked since."""
        if not self._in_trouble:
            self._warn(f"{self._folder}: cannot be used ({error.strerror}). "
                       "Waits until it can.")
        self._in_trouble = True


def _free(name, mtime_ns, is_used):
    """`name`, or one made of it and of a time, that is not used."""
    stem, suffix = os.path.splitext(name)
    later = f"{stem}-{mtime_ns}"
    names = itertools.chain(
        [name, later + suffix],
        (f"{later}-{number}{suffix}" for number in itertools.count(2)))
    return next(itertools.filterfalse(is_used, names))
