"""Reads a battery's source that may fail, hang, freeze or talk nonsense."""

import math
import time
from typing import NamedTuple, Optional

from absl import logging

from device.power import asking
from device.power import doubt
from device.power import reading

# A source that comes and goes is not told of more often.
_WARN_EVERY_S = 60.0


class Look(NamedTuple):
    """The battery, as far as it is known."""

    reading: Optional[reading.Reading]  # the last good one
    age_s: float                        # of it; infinite where there is none
    health: str                         # "good", "held" or "lost"
    note: str                           # what is wrong, in one line, or ""


class Watched:
    """The last good reading of a source, and how far it can be trusted.

    Whatever the source does, `look` returns. It never waits for it longer than
    `patience_s`, and not a second time for one that is slow. A reading is good,
    then held when no other follows, then lost; all is well again by itself when
    the source is.

    Args:
        source: `reading.Source`; closed by `close`.
        capacity_wh: of the battery; None: jumps are judged more loosely, and a
            frozen source is not noticed.
        hold_s: for which a reading holds.
        period_s: between two readings of the source.
        patience_s: for which `look` waits for the source, which is read in a
            thread of its own; None: it is read in the caller's thread, for
            sources that cannot hang.
        clock: seconds that never go back.
        warn: is told, with a line of text, when the health changes.
        record: is told every `reading.Reading` of the source, good or not.
    """

    def __init__(self, source, *, capacity_wh=None, hold_s=300.0, period_s=1.0,
                 patience_s=0.5, clock=time.monotonic, warn=logging.warning,
                 record=None):
        self.name = source.name
        self._source, self._record = source, record
        self._hold_s, self._period_s = hold_s, period_s
        self._clock, self._warn = clock, warn
        self._asking = (asking.Inline(source.read, clock) if patience_s is None
                        else asking.Threaded(source.read, patience_s, clock))
        self._judge = doubt.Judge(capacity_wh)
        self._good, self._good_s = None, -math.inf
        self._asked_s, self._note = -math.inf, ""
        self._told_health, self._told_s = "good", -math.inf

    def look(self, used_j=0.0):
        """The `Look` of now.

        Args:
            used_j: modelled joules drawn since the look before, 0 or more.
        """
        now_s = self._clock()
        self._judge.used(used_j)
        if now_s - self._asked_s >= self._period_s:
            self._asked_s = now_s
            self._hear(self._asking.next())
        look = self._look()
        if look.health != self._told_health:
            self._tell(look)
        return look

    def memory(self):
        """What of the source should survive a restart: a dict for JSON."""
        return getattr(self._source, "memory", dict)()

    def recall(self, memory):
        """Takes up a `memory`; nonsense is ignored."""
        getattr(self._source, "recall", lambda memory: None)(memory)

    def close(self):
        """Closes the source, unless it hangs: closing it would hang, too."""
        if self._asking.overdue:
            return
        try:
            self._source.close()
        except Exception as error:  # a bad source must not spoil an end
            logging.warning("%s: %s", self.name, error)

    def _hear(self, answer):
        if answer is None:
            self._note = f"{self.name} does not answer."
        elif isinstance(answer.value, Exception):
            text = " ".join(str(answer.value).split()) or repr(answer.value)
            self._note = f"{text.rstrip('.')}."
        else:
            self._take(answer)

    def _take(self, answer):
        """Keeps a reading if it is good."""
        if self._record and isinstance(answer.value, reading.Reading):
            self._record(answer.value)
        try:
            clean = doubt.cleaned(answer.value)
            self._judge.check(clean, answer.seconds)
        except doubt.Nonsense as error:
            self._note = f"{self.name} {error}."
        else:
            self._good, self._good_s, self._note = clean, answer.seconds, ""

    def _look(self):
        age_s = max(self._clock() - self._good_s, 0.0)
        note = self._note
        if not note and age_s > max(self._hold_s, self._period_s):
            note = f"{self.name} was read {age_s:.0f} s ago."
        health = ("good" if not note
                  else "held" if age_s <= self._hold_s else "lost")
        return Look(self._good, age_s, health, note)

    def _tell(self, look):
        """Warns of a change of health, if the last warning is old enough."""
        if self._clock() - self._told_s < _WARN_EVERY_S:
            return
        self._told_health, self._told_s = look.health, self._clock()
        self._warn({
            "good": f"Battery: {self.name} is well again.",
            "held": f"Battery: {look.note} The last good reading holds for "
                    f"{self._hold_s:.0f} s.",
            "lost": f"Battery: {look.note} The charge is unknown.",
        }[look.health])
