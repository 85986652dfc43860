"""A run's folder for workers that are not the chief: they only read."""

import contextlib

from ddi_tf import checkpoints
from ddi_tf import run_folder


class Follower(run_folder.RunFolder):
    """What `run_folder.RunFolder` would write, the chief writes.

    Args:
        path: the folder, the same as the chief's.
    """

    def __init__(self, path):
        super().__init__(path)
        self.checkpoints = _ReadOnly(self.checkpoints.folder, keep=0)

    @contextlib.contextmanager
    def locked(self):
        yield

    def create(self, settings, flags_text):
        pass

    def settle(self, settled):
        pass

    def save_phase(self, phase, network):
        pass

    def save_best(self, network, step):
        pass

    def append_metrics(self, record):
        pass

    def drop_metrics_after(self, step):
        pass

    def save_operating_points(self, points):
        pass


class _ReadOnly(checkpoints.Checkpoints):

    def save(self, checkpoint, step):
        pass
