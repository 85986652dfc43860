"""Progress bars: a training run's (loss, accuracy, skips, cost), others."""

import contextlib

from rich import progress as rich_progress
from rich.console import Console


class TrainingProgress:
    """One bar per phase on standard error; a context manager.

    Nothing is drawn where standard error is not a terminal; the log lines of
    each epoch say the same there.
    """

    def __init__(self):
        self._bar = rich_progress.Progress(
            rich_progress.TextColumn("{task.description:>8}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TextColumn("{task.fields[metrics]}"),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
            console=Console(stderr=True))
        self._task = None

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, *exception):
        self._bar.stop()

    def start(self, phase, steps, done):
        """Begins the bar of a phase of `steps` steps, `done` of them behind."""
        if self._task is not None:
            self._bar.stop_task(self._task)
        self._task = self._bar.add_task(
            phase, total=steps, completed=done, metrics="")

    def update(self, metrics):
        """One more step, with its metrics; {} where a step has none."""
        text = ""
        if metrics:
            text = (f"loss {metrics['loss']:.3f}  "
                    f"acc {100 * metrics['accuracy']:.0f}%")
        if "cost" in metrics:  # the base phase skips nothing
            text += (f"  skip {100 * metrics['skip_ratio']:.0f}%"
                     f"  cost {metrics['cost']:.2f}")
        self._bar.update(self._task, advance=1, metrics=text)


@contextlib.contextmanager
def bar(description, total):
    """A bar of `total` steps on a terminal's standard error, else nothing.

    Yields a function that moves it by one step.
    """
    console = Console(stderr=True)
    with rich_progress.Progress(
            console=console, transient=True,
            disable=not console.is_terminal) as shown:
        task = shown.add_task(description, total=total)
        yield lambda: shown.advance(task)
