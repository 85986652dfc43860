"""Who teaches while a network learns: its own base network, or another run's.

G. Hinton et al., "Distilling the Knowledge in a Neural Network",
arXiv:1503.02531; the loss is `losses.distillation`. A run's own base network
teaches once it is trained; a better one of another run also teaches that one.
"""

from ddi_tf import distribution as distribution_lib
from ddi_tf import errors
from ddi_tf import run_folder
from ddi_tf import run_settings
from ddi_tf import strategies


class Teaching:
    """The teachers of a run.

    Args:
        folder: `run_folder.RunFolder` of the run.
        config: `network.NetworkConfig` of its network.
        share: of the loss, that asks for a teacher's answers; 0: nobody
            teaches.
        path: folder of another run, whose base network teaches in all phases;
            None: the run's own does, in those behind the base phase.
        scaling: `data.Scaling` of the images; None: as the other run's.
        precision: as for `network.Network`, of who teaches.
        distribution: of the `distribution` module.

    Raises:
        ConfigError: the other run's network answers something else, or it is
            to teach nothing.
    """

    def __init__(self, folder, config, share, path=None, scaling=None,
                 precision="float32", distribution=distribution_lib.LOCAL):
        self._folder, self._config, self._share = folder, config, share
        self._other = None if path is None else run_folder.RunFolder(path)
        self._precision, self._distribution = precision, distribution
        if self._other is not None:
            self._check(path, scaling)

    def teacher(self, phase):
        """`network.Network` whose base network teaches in a phase, or None.

        Args:
            phase: `phases.Phase`.

        Raises:
            CheckpointError: its base phase has not ended.
        """
        if not self._share or not phase.weights or (
                phase.name == "base" and self._other is None):
            return None
        source, config = self._folder, self._config
        if self._other is not None:
            source, config = self._other, self._other.network_config
        with self._distribution.scope():
            teacher = strategies.make(config, self._precision)
        source.load_base(teacher)
        return teacher

    def _check(self, path, scaling):
        if not self._share:
            raise errors.ConfigError(
                f"--train_teacher={path} teaches nothing with "
                "--train_distill=0. Give a share of the loss, such as "
                "--train_distill=0.7.")
        theirs, ours = self._other.network_config, self._config
        known = run_settings.scaling(self._other.settings)
        for what, found, expected in (
                ("classes", theirs.classes, ours.classes),
                ("images of shape", theirs.image_shape, ours.image_shape),
                ("a scaling of", known, scaling or known)):
            if found != expected:
                raise errors.ConfigError(
                    f"--train_teacher={path} was trained for {what} {found}, "
                    f"this run is for {expected}. Give a teacher of the same "
                    "data.")
