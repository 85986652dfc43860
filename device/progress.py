"""A bar on a terminal's standard error, for a run that has an end."""

from rich import progress
from rich.console import Console


class Bar:
    """Moves on with every image; a context manager.

    Args:
        total: images that there will be.
    """

    def __init__(self, total):
        console = Console(stderr=True)
        self._bar = progress.Progress(
            *progress.Progress.get_default_columns(),
            progress.MofNCompleteColumn(), console=console,
            disable=not console.is_terminal)
        self._task = self._bar.add_task("classifying", total=total)

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, *exception):
        self._bar.stop()

    def update(self, status):
        """One image more: a `status.Status`."""
        self._bar.update(self._task, advance=1)
