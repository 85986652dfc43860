"""Running a function in a process of its own, which may be killed."""

import multiprocessing
import time
import traceback

_FORK = multiprocessing.get_context("fork")  # 1 ms; a new Python takes 500


def check(function, *arguments):
    """Runs `function` in a child; raises what it raised, as AssertionError."""
    receiver, sender = _FORK.Pipe(duplex=False)

    def child():
        try:
            function(*arguments)
            sender.send(None)
        except BaseException:  # its text is raised again below
            sender.send(traceback.format_exc())

    process = _FORK.Process(target=child)
    process.start()
    sender.close()
    found = receiver.recv()
    process.join()
    if found is not None:
        raise AssertionError(found)


def kill(function, *arguments, after_s):
    """Kills a child (kill -9) some seconds after it has called `begun`.

    Args:
        function: called with `begun` and the arguments; has no end.
        arguments: for it.
        after_s: seconds.
    """
    begun = _FORK.Event()
    process = _FORK.Process(target=function, args=(begun.set, *arguments))
    process.start()
    if not begun.wait(20):
        raise AssertionError("the child did not begin")
    time.sleep(after_s)
    process.kill()
    process.join()
