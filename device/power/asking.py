"""Asks a function that may raise or hang, without hanging with it."""

import queue
import threading
from typing import NamedTuple


class Answer(NamedTuple):
    """What a function answered."""

    value: object   # what it returned, or the Exception that it raised
    seconds: float  # when
    took_s: float   # it to answer


class Inline:
    """Asks in the caller's thread, for functions that cannot hang."""

    overdue = False

    def __init__(self, ask, clock):
        self._ask, self._clock = ask, clock

    def next(self):
        """The `Answer` of now."""
        return _answer(self._ask, self._clock)


class Threaded:
    """Asks in another thread, never twice at a time.

    Args:
        ask: function without arguments.
        patience_s: for which `next` waits.
        clock: seconds that never go back.

    Attributes:
        overdue: an answer is still awaited.
    """

    def __init__(self, ask, patience_s, clock):
        self._ask, self._patience_s, self._clock = ask, patience_s, clock
        self._answers = queue.SimpleQueue()
        self.overdue = False

    def next(self):
        """An `Answer`: one that was late, one of now, or None."""
        late = None
        if self.overdue:
            late = self._get(0.0)
            if late is None:
                return None
        try:
            threading.Thread(target=self._put, daemon=True).start()
        except RuntimeError as error:  # the system is out of threads
            return Answer(error, self._clock(), 0.0)
        # Who is slow is not waited for: its answers are taken when they come.
        slow = late is not None and late.took_s > self._patience_s
        answer = self._get(0.0 if slow else self._patience_s)
        self.overdue = answer is None
        return answer or late

    def _put(self):
        self._answers.put(_answer(self._ask, self._clock))

    def _get(self, timeout_s):
        try:
            return self._answers.get(timeout=timeout_s)
        except queue.Empty:
            return None


def _answer(ask, clock):
    began_s = clock()
    try:
        value = ask()
    except Exception as error:  # whatever it is, it is what was answered
        value = error
    ended_s = clock()
    return Answer(value, ended_s, ended_s - began_s)
