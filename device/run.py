"""Classifies images with a bundle, one record each, for a minute or for months.

    python -m device.run --bundle=BUNDLE --input=FOLDER_OR_NPZ
    python -m device.run --bundle=BUNDLE --input=camera --output=answers.db \\
        --state=state.json --power=max17048 --battery_wh=37 --runtime_hours=48
"""

import signal

if __name__ == "__main__":
    # Imports take a second or three: until they are done Ctrl-C just ends it,
    # without a traceback out of one of them.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import contextlib
import json
import os
import sys

from absl import app
from absl import flags

from device import budget_flags
from device import bundle as bundle_lib
from device import command
from device import controller as controller_lib
from device import errors
from device import interruption
from device import loop as loop_lib
from device import metrics
from device import notify
from device import own_profile
from device import progress
from device import run_memory
from device import runtime
from device import state as state_lib
from device import status
from device import summary as summary_lib
from device import view
from device import whole_file
from device.inputs import opening as input_opening
from device.outputs import opening as output_opening

_BUNDLE = flags.DEFINE_string(
    "bundle", None, "Folder that `python -m converters.export` wrote.",
    required=True)
_INPUT = flags.DEFINE_string(
    "input", None, f"Images: {input_opening.FORMS}.", required=True)
_CAMERA_FPS = flags.DEFINE_float(
    "camera_fps", None, "Frames per second of a camera at most; 0: no limit.",
    lower_bound=0)
_WATCH_DELETE = flags.DEFINE_bool(
    "watch_delete", False, "Delete the images of a watched folder when they "
    "are answered; otherwise they are moved into its folder `done`.")
_OUTPUT = flags.DEFINE_string(
    "output", "-", f"Answers: {output_opening.FORMS}.")
_OUTPUT_MAX_MB = flags.DEFINE_float(
    "output_max_mb", None, "Megabytes after which a file of answers is "
    "rotated.", lower_bound=0)
_OUTPUT_KEEP = flags.DEFINE_integer(
    "output_keep", 5, "Rotated files that are kept.", lower_bound=1)
_STATE = flags.DEFINE_string(
    "state", None, "File that remembers the run: the same command goes on "
    "where it ended, also after a power cut.")
_MAX_MACS = flags.DEFINE_integer(
    "max_macs", None, "Hard budget: MACs that no image may pass.",
    lower_bound=0)
_MAX_ENERGY = flags.DEFINE_float(
    "max_energy_mj", None, "Hard budget: modelled millijoules that no image "
    "may pass.", lower_bound=0)
_DEADLINE = flags.DEFINE_float(
    "deadline_ms", None, "When an answer is due; needs a profile of this "
    "machine. Late answers are counted.", lower_bound=0)
_PROFILE = flags.DEFINE_string(
    "profile", None, "File that `python -m device.profile` wrote. Default: the "
    "one beside the bundle, if any.")
_FORCE_PROFILE = flags.DEFINE_bool(
    "force_profile", False, "Take the profile of another machine.")
_THREADS = flags.DEFINE_integer(
    "threads", 1, "Threads of the interpreter.", lower_bound=1,
    upper_bound=256)
_VIEW = flags.DEFINE_bool(
    "view", False, "Show the run live, on the terminal of standard error.")
_METRICS = flags.DEFINE_string(
    "metrics", None, "Serve numbers for Prometheus at this PORT of 127.0.0.1, "
    "or at HOST:PORT.")
_SUMMARY = flags.DEFINE_string(
    "summary", None, "File for the summary as JSON; it is always printed.")


def main(argv):
    _open_standard_streams()
    command.refuse_arguments(argv)
    with command.errors_in_one_line(
            "stopped at once; the last answers may be missing."):
        failed, received = _run()
    if received == signal.SIGINT:
        print("stopped; every answer was written.", file=sys.stderr)
        sys.exit(128 + received)
    # A service that is asked to end has ended well.
    if failed and received is None:
        sys.exit(f"error: {failed:,} of the images could not be "
                 "classified; their lines say why.")


def _run():
    """Classifies everything; (images that failed, signal or None)."""
    _check_flags()
    bundle = bundle_lib.load(_BUNDLE.value)
    for flag, error in (
            (_SUMMARY, errors.OutputError), (_STATE, errors.StateError)):
        if flag.value:  # now, not after hours
            whole_file.check_writable(flag.value, error)
    summary = summary_lib.Summary(bundle)
    # Closed in the other order: answers are written before the state that says
    # so, and that before the input is let go.
    with contextlib.ExitStack() as last, contextlib.ExitStack() as stack:
        profile = _profile(bundle)
        controller = stack.enter_context(controller_lib.Controller(
            bundle, profile=profile, make_graph=lambda spec, content:
            runtime.Graph(spec, content, num_threads=_THREADS.value)))
        limits = status.Limits(
            _MAX_MACS.value, _MAX_ENERGY.value, _DEADLINE.value)
        # A budget that pays for no answer is one error, not one per image.
        controller.tariff.check(limits)
        chooser = budget_flags.open_chooser(bundle, profile, stack, _warn)
        source = stack.enter_context(input_opening.open_input(
            _INPUT.value, bundle.manifest.input.shape, fps=_CAMERA_FPS.value,
            delete=_WATCH_DELETE.value, warn=_warn))
        interrupted = stack.enter_context(
            interruption.Interruption(source.stop))
        service, position = notify.Service(), run_memory.Position()
        ticks = [service.alive]
        if _STATE.value:
            memory = run_memory.RunMemory(bundle, position, summary, chooser)
            memory.recall(state_lib.load(_STATE.value, warn=_warn), _warn)
            ticks.append(stack.enter_context(state_lib.Saver(
                _STATE.value, memory.collect, warn=_warn)).tick)
        output = stack.enter_context(output_opening.open_output(
            _OUTPUT.value, going_on=bool(_STATE.value),
            max_mb=_OUTPUT_MAX_MB.value, keep=_OUTPUT_KEEP.value, warn=_warn))
        position.take(output.last)
        if position.image is not None:
            source.start(after=position.image)
            _say(f"goes on after answer {position.number:,}, of "
                 f"{position.image}")
        loop = loop_lib.Loop(
            bundle, controller, chooser, limits, summary, output, position,
            warn=_warn, observers=_observers(bundle, source, stack),
            ticks=ticks)
        failed_before = summary.failed  # of runs that went on from one another
        last.callback(_conclude, summary)  # also when the input breaks
        service.ready()
        loop.run(source)
        service.stopping()
    return summary.failed - failed_before, interrupted.received


def _conclude(summary):
    if _SUMMARY.value:
        whole_file.write(_SUMMARY.value, json.dumps(
            summary.values(), indent=1), errors.OutputError)
    with contextlib.suppress(OSError):
        summary.print(sys.stderr)


def _check_flags():
    """Raises OutputError where something would be overwritten, or lost."""
    for flag in (_STATE, _SUMMARY, _METRICS, _PROFILE):
        if flag.value == "":  # as of a shell's variable that is not set
            raise errors.OutputError(
                f"--{flag.name}: expected a name, found none. Give one, or "
                "leave the flag out.")
    files = {}
    for flag in (_INPUT, _OUTPUT, _STATE, _SUMMARY, _PROFILE):
        if flag.value in (None, "-"):
            continue
        other = files.setdefault(os.path.realpath(flag.value), flag)
        if other is not flag:
            raise errors.OutputError(
                f"--{other.name} and --{flag.name} are one file, "
                f"{flag.value}. Give each its own.")
    if _VIEW.value and _OUTPUT.value == "-" and _is_terminal(sys.stdout):
        raise errors.OutputError(
            "--view and the answers would write over each other on this "
            "terminal. Send the answers elsewhere: --output=FILE.jsonl.")


def _profile(bundle):
    """The `profile.Profile` of this machine; None where none is needed."""
    is_needed = _DEADLINE.value is not None or _PROFILE.value
    if not is_needed and not (
            budget_flags.follows_battery() and own_profile.find(bundle)):
        return None
    try:
        found = own_profile.for_budgets(
            bundle, _PROFILE.value, threads=_THREADS.value,
            forced=_FORCE_PROFILE.value)
    except errors.ProfileError as error:
        if is_needed:
            raise
        _warn(f"{error} Without it, what images cost is found out.")
        return None
    for text in found.warnings:
        _warn(text)
    return found.profile


def _observers(bundle, source, stack):
    """Who is told of every image."""
    found = []
    if _METRICS.value:
        found.append(stack.enter_context(
            metrics.Metrics(bundle, _METRICS.value)))
        _say(f"metrics at {found[0].url}")
    if _VIEW.value:
        found.append(stack.enter_context(view.View(bundle.manifest)))
    elif source.total is not None and not _is_terminal(sys.stdout):
        # Lines on the same terminal would be progress enough.
        found.append(stack.enter_context(progress.Bar(source.total)))
    return found


def _warn(text):
    _say(f"warning: {text}")


def _say(text):
    """Tells whoever looks; a log that is full or gone must not end a run."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def _is_terminal(stream):
    """Whether it is one; None is not: the process was started without it."""
    return stream is not None and stream.isatty()


def _open_standard_streams():
    """Lets those that the process was started without lead nowhere.

    Else the files that are opened next take their numbers, and whatever a
    library writes to its standard error is written into answers.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stderr is None:  # print would take standard output
        sys.stderr = open(os.devnull, "w", encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
