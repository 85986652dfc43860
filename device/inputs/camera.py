"""A camera that may hang, freeze or be unplugged, and comes back."""

import contextlib
import queue
import threading
import time

from absl import logging
import numpy as np
from PIL import Image
from PIL import ImageOps

from device import images
from device.inputs import source
from device.inputs import waiting

BACKOFF_S = (1.0, 60.0)  # between two attempts at opening: first, longest


class Camera(source.Input):
    """Yields frames until stopped.

    A camera has sizes of its own, so its frames are cropped in the middle and
    scaled, as the network's images were in training; files are expected to
    have their size already.

    A camera that is gone (an error, no frame for `stall_s`, or the very same
    pixels for `frozen_s`, which a sensor's noise rules out) is opened again,
    after 1 s, 2 s, ... 60 s, for ever; one warning, until it is well again.

    Args:
        open_camera: callable without arguments, called in a thread of its own;
            returns an object with `read`: [H, W, 3] uint8, RGB, a new array
            each time, no older than the call; and `close`. Both may raise
            anything.
        shape: (height, width, 3) of the items.
        name: for messages and items.
        fps: frames per second at most; None or 0: as many as are asked for.
        stall_s: seconds after which a frame that was asked for is late.
        frozen_s: seconds after which pixels should have changed.
        clock: seconds, of a clock that is never set.
        warn: called with a message.
    """

    def __init__(self, open_camera, shape, *, name="camera", fps=None,
                 stall_s=15.0, frozen_s=30.0, clock=time.monotonic,
                 warn=logging.warning):
        super().__init__()
        self._open, self._shape, self._name = open_camera, shape, name
        self._interval_s = 1 / fps if fps else 0.0
        self._stall_s, self._frozen_s = stall_s, frozen_s
        self._clock, self._warn = clock, warn
        self._results = queue.SimpleQueue()  # of (reader, frame or error)
        self._reader = None
        self._last, self._changed_s = None, 0.0  # frame, since when
        self._backoff_s, self._warned = BACKOFF_S[0], False

    def __iter__(self):
        index, due_s = 0, self._clock()
        while True:
            self._waiter.wait(due_s - self._clock())
            due_s = max(due_s + self._interval_s, self._clock())
            if self._waiter.stopped:
                return
            try:
                frame = self._frame()
            except _Gone as error:
                self._give_up(error)
                continue
            if frame is not None:
                yield images.Item(f"{self._name}[{index}]",
                                  _fit(frame, self._shape))
                index += 1

    def stop(self):
        super().stop()
        # Unlike other queues this one may be used by a signal handler.
        self._results.put((None, None))

    def close(self):
        if self._reader is not None:
            self._reader.finish()
            self._reader.join(timeout=2)  # a camera that hangs keeps hanging
        super().close()

    def _frame(self):
        """A fresh frame, or None when stopped. Raises _Gone."""
        if self._reader is None or self._reader.finished:
            self._connect()
        self._reader.ask()
        frame = self._receive()
        if frame is None:
            return None
        if isinstance(frame, Exception):
            raise _Gone(str(frame) or type(frame).__name__)
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise _Gone(f"expected frames of [H, W, 3] uint8, found "
                        f"{list(frame.shape)} of {frame.dtype}")
        self._check_fresh(frame)
        return frame

    def _connect(self):
        if self._reader is not None and self._reader.is_alive():
            raise _Gone("it hangs")
        self._reader = _Reader(self._open, self._results)
        self._reader.start()
        self._changed_s = self._clock()

    def _receive(self):
        """What the reader made of the last question; None when stopped."""
        late_s = self._clock() + self._stall_s
        while not self._waiter.stopped:
            try:
                reader, result = self._results.get(timeout=min(
                    waiting.IDLE_S, max(0.0, late_s - self._clock())))
            except queue.Empty:
                if self._clock() >= late_s:
                    raise _Gone(f"no frame for {self._stall_s:g} s") from None
                self._waiter.breathe()
                continue
            if reader is self._reader:  # not one that was given up
                return result
        return None

    def _check_fresh(self, frame):
        now_s = self._clock()
        if self._last is None or not np.array_equal(frame, self._last):
            self._last, self._changed_s = frame, now_s
            self._backoff_s, self._warned = BACKOFF_S[0], False
        elif now_s - self._changed_s >= self._frozen_s:
            raise _Gone(f"the same frame for {self._frozen_s:g} s")

    def _give_up(self, error):
        """Lets go of the camera, and waits before the next attempt."""
        self._reader.finish()
        if not self._warned:
            self._warn(f"{self._name}: gone ({error}). Tries to open it again "
                       "until it is back; look at its cable.")
        self._warned = True
        self._waiter.wait(self._backoff_s)
        self._backoff_s = min(2 * self._backoff_s, BACKOFF_S[1])


class _Gone(Exception):
    """The camera gives no good frames; says why."""


class _Reader(threading.Thread):
    """Opens and reads a camera beside the run, which must not hang with it.

    Args:
        open_camera: as of `Camera`.
        results: queue that gets (self, frame or Exception) per question.
    """

    def __init__(self, open_camera, results):
        super().__init__(name="camera", daemon=True)
        self._open, self._results = open_camera, results
        self._asked = queue.SimpleQueue()  # of whether one more is wanted
        self.finished = False

    def ask(self):
        """Wants one more frame."""
        self._asked.put(True)

    def finish(self):
        """Wants the camera closed."""
        self.finished = True
        self._asked.put(False)

    def run(self):
        try:
            with contextlib.closing(self._open()) as camera:
                while self._asked.get():
                    self._results.put((self, camera.read()))
        except Exception as error:  # drivers raise whatever they like
            self._results.put((self, error))


def _fit(frame, shape):
    """[*shape] uint8: the middle of a frame, averaged down to `shape`."""
    return np.asarray(ImageOps.fit(
        Image.fromarray(frame), shape[1::-1], Image.Resampling.BILINEAR))
