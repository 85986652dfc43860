"""A run that starts from another run's trained backbone, pruned (PFEC)."""

from ddi_tf import starting
from ddi_tf.peers import pfec


class PrunedStart(starting.Retrained):
    """A run's backbone, pruned for a `pfec.PFEC`.

    The base phase retrains what is left (arXiv:1608.08710, Section 3.4).
    """

    def _give(self, network):
        pfec.prune(self._source.load_network("base"), network)
