"""An output that keeps what it cannot write now, and writes it later."""

import collections
import threading
import time

from absl import logging

from device import errors

BACKOFF_S = (1.0, 60.0)  # between two attempts: first, longest
_ADVICE = ("Answers are kept in memory and written when there is room; only "
           "the last {most:,} of them.")


class Keeping:
    """Writes records to a sink; a full disk is a warning.

    A power cut costs the answers of the last `sync_s` seconds, a killed
    process none (but for those that a full disk keeps in memory): records are
    written at once, and a thread syncs them.

    Args:
        sink: has `append(record)`, `sync()`, `close()`, which raise
            OutputError, and `last`. A record is appended whole or not at all.
        most: records to keep; beyond it the oldest is dropped.
        sync_s: seconds between two syncs; None: only when asked, no thread.
        clock: seconds, of a clock that is never set.
        warn: called with a message when writing begins to fail, and when it
            works again.

    Attributes:
        last: the last record that was there when the sink was opened, or None.
        dropped: how many records are lost.
    """

    def __init__(self, sink, *, most=10_000, sync_s=1.0, clock=time.monotonic,
                 warn=logging.warning):
        self.last, self.dropped = sink.last, 0
        self._sink, self._most, self._clock = sink, most, clock
        self._warn = warn
        self._kept = collections.deque()
        self._synced, self._failing = True, False
        self._retry_s, self._backoff_s = 0.0, BACKOFF_S[0]
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._thread = None
        if sync_s is not None:
            self._thread = threading.Thread(
                target=self._keep_synced, args=(sync_s,), name="output",
                daemon=True)
            self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    @property
    def pending(self):
        """How many records wait to be written."""
        return len(self._kept)

    def write(self, record):
        """Writes a record now, or keeps it for later."""
        with self._lock:
            if len(self._kept) == self._most:
                self._kept.popleft()
                self.dropped += 1
            self._kept.append(record)
            self._synced = False
            if not self._failing or self._clock() >= self._retry_s:
                self._drain()

    def sync(self):
        """Writes what waits, and makes it survive a power cut, if it can."""
        with self._lock:
            if not self._synced and (
                    not self._failing or self._clock() >= self._retry_s):
                self._drain(sync=True)

    def close(self):
        """Writes what waits; may be called twice.

        Raises:
            OutputError: records are lost; says how many.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        reason = self._drain(sync=not self._synced)
        self._sink.close()
        if lost := self.dropped + len(self._kept):
            raise errors.OutputError(f"{lost} answers are lost. {reason or ''}")

    def _keep_synced(self, sync_s):
        while not self._closing.wait(sync_s):
            self.sync()

    def _drain(self, sync=False):
        """Writes what waits; returns the error that kept it from that."""
        try:
            while self._kept:
                self._sink.append(self._kept[0])
                self._kept.popleft()
            if sync:
                self._sink.sync()
                self._synced = True
        except errors.OutputError as error:
            self._fail(error)
            return error
        if self._failing:
            self._warn(f"Answers are written again; {self.dropped} are lost.")
            self._failing, self._backoff_s = False, BACKOFF_S[0]
        return None

    def _fail(self, error):
        if not self._failing:
            self._warn(f"{error} {_ADVICE.format(most=self._most)}")
            self._failing = True
        self._retry_s = self._clock() + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, BACKOFF_S[1])
