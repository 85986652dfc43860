"""What a run starts from: nothing, a trained backbone, or a whole network."""

import dataclasses

from ddi_tf import errors
from ddi_tf import phases
from ddi_tf import run_folder
from ddi_tf import strategies

# What a run that starts from a whole network keeps it as, beside its phases.
GIVEN = "start"


class Start:
    """Where the weights come from.

    Args:
        backbone: folder of a run whose trained backbone to take, or None.
        whole: folder of a finished run whose network to take, with gates and
            exits, or None.
        again: names of phases that the whole network goes on with.

    Raises:
        ConfigError: both are given.
    """

    def __init__(self, backbone=None, whole=None, again=frozenset()):
        if backbone and whole:
            raise errors.ConfigError(
                "--train_base_checkpoint and --train_checkpoint both say what "
                "to start from: give the one for a backbone alone, or the "
                "other for backbone, gates and exits. Received: "
                f"{backbone} and {whole}")
        self._backbone = run_folder.RunFolder(backbone) if backbone else None
        self._whole = run_folder.RunFolder(whole) if whole else None
        self._again = again

    @property
    def behind(self):
        """Names of the phases that the network has behind it."""
        if self._whole:
            return {phase.name for phase in phases.PHASES
                    if not phase.compression} - self._again
        return {"base"} if self._backbone else set()

    @property
    def settled(self):
        """Gates that are settled (`network.NetworkConfig.settled`)."""
        return self._whole.network_config.settled if self._whole else ()

    def load(self, network, folder):
        """Gives `network` what the run in `folder` starts with, if it is new.

        Args:
            network: `network.Network`.
            folder: `run_folder.RunFolder` of the run.

        Raises:
            CheckpointError: there is no such network, or it is not finished.
            ConfigError: it is of another configuration.
        """
        if folder.has_network:  # it goes on from its own
            return
        if self._backbone:
            self._backbone.load_base(network)
        if self._whole:
            self._check(network.config)
            self._restore(network)

    def begin(self, run, network, folder):
        """Before the first step, in a new run's folder.

        Keeps what summaries, and teachers of phases to come, ask for.

        Args:
            run: `trainer.Trainer` of `network`.
            network: as `load` left it.
            folder: `run_folder.RunFolder`, created.
        """
        if self._backbone and not folder.has_phase("base"):
            folder.save_phase("base", network)
        if self._whole:
            folder.save_phase(GIVEN, network)
            if self._whole.has_phase("base"):
                base = strategies.make(network.config)
                self._whole.restore_network(base, "base")
                folder.save_phase("base", base)
            run.go_on_from(self._whole)

    def _restore(self, network):
        """Takes the whole network; exits of another form begin anew."""
        if (self._whole.network_config.exit_head
                == network.config.exit_head):
            self._whole.restore_network(network)
        else:
            theirs = self._whole.load_network()
            for mine, other in zip(_without_exits(network),
                                   _without_exits(theirs)):
                mine.set_weights(other.get_weights())

    def _check(self, config):
        """Raises unless the whole network is finished and fits `config`."""
        path = self._whole.path
        # Thresholds are chosen anew, so they may bound another entropy; exits
        # of another form begin anew, where their phase follows.
        may_differ = {"exit_entropy"} | (
            {"exit_head"} if "exits" in self._again else set())
        theirs = vars(dataclasses.replace(self._whole.network_config, **{
            name: getattr(config, name) for name in may_differ}))
        if other := [f"{name} is {theirs[name]} there, {ours} here"
                     for name, ours in vars(config).items()
                     if theirs[name] != ours]:
            raise errors.ConfigError(
                f"{path} holds another network: {'; '.join(other)}. Give the "
                f"--model_* and --data_* flags of {path / 'flags.cfg'}, or "
                "start from another run.")
        if not self._whole.operating_points:
            raise errors.CheckpointError(
                f"{path} is not finished: it has no operating points yet. "
                f"Finish it by --flagfile={path / 'flags.cfg'}, or start from "
                "another run.")


def _without_exits(network):
    return [network.stem, *network.blocks, network.head, *network.gates]


class Retrained:
    """A trained backbone that the base phase goes on with, as `Start`.

    Subclasses say how a network gets it (`_give`).

    Args:
        path: folder of a run whose base phase has ended.
    """

    # The base phase begins with what is given.
    behind = frozenset()
    settled = ()

    def __init__(self, path):
        self._source = run_folder.RunFolder(path)

    def load(self, network, folder):
        """As `Start.load`.

        Raises:
            CheckpointError: there is no trained backbone.
            ConfigError: `network` cannot be made of it.
        """
        if not folder.has_network:  # else it goes on from its own
            self._give(network)

    def begin(self, run, network, folder):
        """Before the first step: there is nothing to keep."""
        del run, network, folder
