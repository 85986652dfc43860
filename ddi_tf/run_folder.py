"""A training run's folder: settings, commit, metrics and checkpoints.

    RUN/flags.cfg     the flags, usable as --flagfile
    RUN/run.json      network, data, schedule and commit
    RUN/metrics.jsonl one line per epoch
    RUN/checkpoints/  the last three
    RUN/phases/       the network as it was at the end of each phase
    RUN/operating_points.json  exit thresholds chosen on the tune split
    RUN/board/        for TensorBoard (`board`)
    RUN/summary.json  what came of it (`run_summary`)
"""

import json
import os
import pathlib
import subprocess

import tensorflow as tf

from ddi_tf import errors
from ddi_tf import network as network_lib

_KEEP = 3


def write_atomically(path, text):
    """Writes `text` to `path` in full or not at all, even on power loss."""
    path = pathlib.Path(path)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def commit():
    """The commit of this source tree, "-dirty" if changed, or "unknown"."""
    git = ["git", "-C", str(pathlib.Path(__file__).parent)]
    try:
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--abbrev=12",
             "--exclude=*"],
            capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


class RunFolder:
    """Reads and writes the files of one run.

    Args:
        path: the folder; made by `create`.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def create(self, settings, flags_text):
        """Starts a new run, or checks that an old one has the same settings.

        Raises:
            ConfigError: the folder holds a run with other settings.
        """
        if self._file.exists():
            changed = [key for key, value in settings.items()
                       if self.settings.get(key) != _jsonable(value)]
            if changed:
                raise errors.ConfigError(
                    f"{self.path} holds a run with another {', '.join(changed)}"
                    ". Give the same flags to go on with it, or another --run.")
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path / "flags.cfg", flags_text)
            write_atomically(self._file, json.dumps(
                {**settings, "commit": commit()}, indent=1))
        except OSError as error:
            raise errors.ConfigError(
                f"--run={self.path} cannot be written ({error.strerror}). Give "
                "a folder that can.") from None

    @property
    def settings(self):
        """run.json as a dict. Raises CheckpointError if there is none."""
        try:
            settings = json.loads(self._file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise errors.CheckpointError(
                f"{self.path} is not a training run: it has no run.json. Give "
                "the folder that `python -m ddi_tf.train --run=...` wrote."
            ) from None
        except ValueError as error:
            raise errors.CheckpointError(
                f"{self._file} cannot be read as JSON ({error}); restore it or "
                "train again.") from None
        if not isinstance(settings, dict) or "network" not in settings:
            raise errors.CheckpointError(
                f"{self._file} is not a training run's: it has no network. "
                "Restore it or train again.")
        return settings

    @property
    def flags(self):
        """The lines of flags.cfg; [] if it is gone."""
        path = self.path / "flags.cfg"
        return path.read_text("utf-8").splitlines() if path.exists() else []

    @property
    def network_config(self):
        return network_lib.NetworkConfig.from_dict(self.settings["network"])

    @property
    def latest_checkpoint(self):
        """Prefix of the newest checkpoint that is there, or None.

        Found by its files, so that deleting a damaged one falls back on the
        one before it.
        """
        # TensorFlow writes the index last.
        found = {int(path.stem.removeprefix("ckpt-")): str(path.with_suffix(""))
                 for path in self.path.glob("checkpoints/ckpt-*.index")}
        return found[max(found)] if found else None

    def manager(self, checkpoint):
        """The manager of the last checkpoints of a `tf.train.Checkpoint`."""
        return tf.train.CheckpointManager(
            checkpoint, str(self.path / "checkpoints"), max_to_keep=_KEEP)

    def phase_prefix(self, phase):
        """Checkpoint prefix of the network at the end of phase `phase`."""
        return str(self.path / "phases" / phase)

    def has_phase(self, phase):
        """Whether phase `phase` has ended and its network is kept."""
        return tf.io.gfile.exists(f"{self.phase_prefix(phase)}.index")

    def save_phase(self, phase, network):
        """Keeps `network` as phase `phase` left it."""
        tf.train.Checkpoint(network=network).write(self.phase_prefix(phase))

    def load_base(self, network):
        """Gives `network` this run's trained backbone; gates, exits stay.

        Raises:
            CheckpointError: the base phase has not ended, or another backbone.
        """
        backbone = tf.train.Checkpoint(
            stem=network.stem, blocks=network.blocks, head=network.head)
        restore(tf.train.Checkpoint(network=backbone),
                self.phase_prefix("base"), self.path)

    def load_network(self, phase=None):
        """The trained `network.Network`, as last saved or as `phase` left it.

        Raises:
            CheckpointError: no checkpoint, or one that cannot be read.
        """
        network = network_lib.Network(self.network_config)
        prefix = (self.phase_prefix(phase) if phase else
                  self.latest_checkpoint)
        restore(tf.train.Checkpoint(network=network), prefix, self.path)
        return network

    def append_metrics(self, record):
        """Adds one line to metrics.jsonl."""
        with open(self._metrics, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def drop_metrics_after(self, step):
        """Forgets lines of steps that a resumed run will do again."""
        if not self._metrics.exists():
            return
        lines = self._metrics.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines
                if _complete(line) and json.loads(line)["step"] <= step]
        write_atomically(self._metrics, "".join(f"{k}\n" for k in kept))

    @property
    def metrics(self):
        """The lines of metrics.jsonl as dicts, without one cut short."""
        if not self._metrics.exists():
            return []
        lines = self._metrics.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if _complete(line)]

    @property
    def operating_points(self):
        """What `thresholds` chose on the tune split; [] before that."""
        path = self.path / "operating_points.json"
        return json.loads(path.read_text()) if path.exists() else []

    def save_operating_points(self, points):
        write_atomically(self.path / "operating_points.json",
                         json.dumps(points, indent=1))

    @property
    def _file(self):
        return self.path / "run.json"

    @property
    def _metrics(self):
        return self.path / "metrics.jsonl"


def restore(checkpoint, prefix, where):
    """Reads a checkpoint into `checkpoint`'s objects, all of them.

    Raises:
        CheckpointError: `prefix` is None or missing, truncated or of another
            network.
    """
    if prefix is None or not tf.io.gfile.exists(f"{prefix}.index"):
        raise errors.CheckpointError(
            f"{where} holds no checkpoint{f' {prefix}' if prefix else ''}. "
            "Train first: python -m ddi_tf.train --run=...")
    try:
        # `read`, unlike `restore`, expects no counter of saves, which the
        # networks that phases leave behind do not have.
        status = checkpoint.read(prefix)
        status.expect_partial()
        status.assert_existing_objects_matched()
    except (tf.errors.OpError, ValueError, AssertionError, LookupError,
            RuntimeError) as error:  # the reader's choice depends on the damage
        reason = str(error).splitlines()[0] if str(error) else "unreadable"
        raise errors.CheckpointError(
            f"{prefix} cannot be restored ({reason}). It is truncated or of "
            "another network: delete its files to fall back on the checkpoint "
            "before it, or train again.") from None


def _complete(line):
    try:
        return bool(json.loads(line))
    except ValueError:  # the line that a crash cut short
        return False


def _jsonable(value):
    return json.loads(json.dumps(value))
