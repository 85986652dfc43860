"""A run that starts from another run's trained backbone, pruned (PFEC)."""

from ddi_tf import run_folder
from ddi_tf.peers import pfec


class PrunedStart:
    """Where the weights come from, as `starting.Start`.

    Args:
        path: folder of the run whose backbone to prune. Its base phase has
            ended.
    """

    # The base phase retrains what is left (arXiv:1608.08710, Section 3.4).
    behind = frozenset()
    settled = ()

    def __init__(self, path):
        self._source = run_folder.RunFolder(path)

    def load(self, network, folder):
        """Gives `network` what the run in `folder` starts with, if it is new.

        Args:
            network: `pfec.PFEC`.
            folder: `run_folder.RunFolder` of the run.

        Raises:
            CheckpointError: there is no trained backbone.
            ConfigError: it is another backbone, or narrower.
        """
        if not folder.has_network:  # else it goes on from its own
            pfec.prune(self._source.load_network("base"), network)

    def begin(self, run, network, folder):
        """Before the first step: there is nothing to keep."""
        del run, network, folder
