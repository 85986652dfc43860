"""What a case of the fuzzing tests may do, and what it is when it does more."""

import contextlib
import random
import resource
import signal

# Of a case, on a machine that is busy otherwise; most take milliseconds.
LONGEST_S = 30

# Beyond what the process has already.
_MOST_MIB = 512

# A message is one line that a person reads.
_LONGEST_MESSAGE = 2000


class Finding(BaseException):
    """The code under test did what it must never do.

    No Exception, so that nobody catches it on its way.
    """


def refused(error):
    """The name of an error; raises Finding if its message is no line."""
    message = str(error)
    if len(message) > _LONGEST_MESSAGE:
        raise Finding(f"a message of {len(message)} characters: "
                      f"{message[:300]}")
    if not message.isprintable():
        raise Finding(f"a message that cannot be printed as it is: "
                      f"{message!r:.300}")
    return type(error).__name__


def run(target, kind, seed, number):
    """How a case ended; raises Finding, or what should not have been raised.

    Args:
        target: `Target` of a module that has the kind in its KINDS.
        kind: name of a kind of cases.
        seed: of all cases.
        number: of the case.
    """
    with limits():
        return target.run(kind, random.Random(f"{seed} {kind} {number}"))


@contextlib.contextmanager
def limits(seconds=LONGEST_S):
    """Raises Finding after a time; much memory is a MemoryError.

    In the main thread alone, for it is a signal that interrupts.
    """
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, _hangs)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    resource.setrlimit(resource.RLIMIT_AS, (
        _address_space() + (_MOST_MIB << 20), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def _address_space():
    """Bytes of this process's address space."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _hangs(*_):
    raise Finding("it hangs")
