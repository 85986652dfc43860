"""A training run's folder: settings, commit, metrics and checkpoints.

    RUN/flags.cfg     the flags, usable as --flagfile
    RUN/run.json      network, data, schedule and commit
    RUN/metrics.jsonl one line per epoch
    RUN/checkpoints/  the last three
    RUN/phases/       the network as it was at the end of each phase, and the
                      whole one that it started from (`starting.GIVEN`)
    RUN/operating_points.json  exit thresholds chosen on the tune split
    RUN/best/         the network of the best epoch (`best.epoch`), and its
                      operating_points.json
    RUN/lock          held by the process that trains
    RUN/board/        for TensorBoard (`board`)
    RUN/summary.json  what came of it (`run_summary`)
    RUN/traces/       what the network did, image by image (`trace_files`)
"""

import contextlib
import dataclasses
import fcntl
import json
import pathlib
import subprocess

import tensorflow as tf
from absl import logging

from ddi_tf import base_checkpoint
from ddi_tf import checkpoints
from ddi_tf import errors
from ddi_tf import network as network_lib
from ddi_tf import quantization
from ddi_tf import ranges
from ddi_tf import run_settings
from ddi_tf import storage
from ddi_tf import strategies

_KEEP = 3
_LISTED = 3  # of the settings that changed: a latency profile has hundreds


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
        best: whether network and operating points are those of the best epoch
            (`best.epoch`) instead of the last.
    """

    def __init__(self, path, best=False):
        self.path = pathlib.Path(path)
        self.checkpoints = checkpoints.Checkpoints(
            self.path / "checkpoints", _KEEP)
        self._best = checkpoints.Checkpoints(self.path / "best", 1)
        self._offered = self._best if best else self.checkpoints
        self.is_best = best
        self._home = self._best.folder if best else self.path

    @contextlib.contextmanager
    def locked(self):
        """Keeps other processes from training here; makes the folder.

        The system releases the lock when the process ends, however it does.

        Raises:
            ConfigError: another process trains here, or this is no folder.
            StorageError: the folder cannot be written.
        """
        self._make()
        with storage.writing(self.path / "lock"):
            file = open(self.path / "lock", "w", encoding="utf-8")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise errors.ConfigError(
                    f"another process is training in {self.path} (`fuser "
                    f"{file.name}` says which). Wait for it, or give another "
                    "--run.") from None
            except OSError as error:  # some network file systems
                logging.warning(
                    "%s cannot be locked (%s): see to it yourself that no "
                    "second process trains there.", self.path, error.strerror)
            yield

    def create(self, settings, flags_text):
        """Starts a new run, or checks that an old one has the same settings.

        Raises:
            ConfigError: the folder holds a run with other settings, or is none.
            StorageError: the folder cannot be written.
        """
        if self._file.exists():
            # What was not known when it was written has its default.
            old = {**self.settings, "network": dataclasses.asdict(
                self.network_config)}
            old.pop("commit", None)
            if changes := list(run_settings.changes(
                    *map(run_settings.as_read, (old, settings)))):
                named = errors.listed(changes, _LISTED, "; ", last="; ")
                raise errors.ConfigError(
                    f"{self.path} holds a run with other settings: {named}. "
                    "Go on with it by --flagfile="
                    f"{self.path / 'flags.cfg'}, or give another --run.")
            return
        self._make()
        storage.write_atomically(self.path / "flags.cfg", flags_text)
        storage.write_atomically(self._file, json.dumps(
            {**settings, "commit": commit()}, indent=1))

    def settle(self, settled):
        """Says in run.json which gates are settled, as `settling.find` does."""
        settings = self.settings
        settings["network"]["settled"] = settled
        storage.write_atomically(self._file, json.dumps(settings, indent=1))

    def _make(self):
        try:
            self.path.mkdir(parents=True, exist_ok=True)
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

    def phase_prefix(self, phase):
        """Checkpoint prefix of the network at the end of phase `phase`."""
        return str(self.path / "phases" / phase)

    def has_phase(self, phase):
        """Whether phase `phase` has ended and its network is kept."""
        return tf.io.gfile.exists(f"{self.phase_prefix(phase)}.index")

    def save_phase(self, phase, network):
        """Keeps `network` as phase `phase` left it."""
        checkpoints.write(
            tf.train.Checkpoint(network=network), self.phase_prefix(phase))

    def save_best(self, network, step):
        """Keeps `network`, as it is at `step`, as the best so far."""
        self._best.save(tf.train.Checkpoint(network=network), step)

    def load_base(self, network):
        """Gives `network` this run's trained backbone; gates, exits stay.

        Raises:
            CheckpointError: the base phase has not ended, or another backbone.
        """
        base_checkpoint.restore(network, self.phase_prefix("base"), self.path)

    @property
    def has_network(self):
        """Whether there is something for `load_network`."""
        return self.latest_prefix is not None

    @property
    def latest_prefix(self):
        """Checkpoint prefix of what `load_network` takes, or None."""
        return self._offered.latest

    def load_network(self, phase=None):
        """The trained `network.Network`, or as `phase` left it.

        Raises:
            CheckpointError: no checkpoint, or one that cannot be read.
        """
        network = strategies.make(self.network_config)
        if run_settings.quantizes(self.settings):
            ranges.attach(network, run_settings.scaling(self.settings))
            if phase in (None, "quantize"):
                network.rounding.mode = quantization.ROUND
        self.restore_network(network, phase)
        return network

    def restore_network(self, network, phase=None):
        """`load_network`, into one that there is; "base": its base network."""
        if phase == "base":
            self.load_base(network)
        else:
            checkpoints.restore(
                tf.train.Checkpoint(network=network),
                self.phase_prefix(phase) if phase else self.latest_prefix,
                self._home)

    def restore_steering(self, steering):
        """Gives a `steering.Steering` the values of this run's last step.

        Raises:
            CheckpointError: no checkpoint, or one that cannot be read.
        """
        checkpoints.restore(tf.train.Checkpoint(steering=steering),
                            self.checkpoints.latest, self.path)

    @property
    def metrics(self):
        """The lines of metrics.jsonl, as dicts; without one cut short."""
        if not self._metrics.exists():
            return []
        lines = self._metrics.read_text(
            encoding="utf-8", errors="replace").splitlines()
        return [json.loads(line) for line in lines if _complete(line)]

    def append_metrics(self, record):
        """Adds one line to metrics.jsonl."""
        storage.append(self._metrics, json.dumps(record))

    def drop_metrics_after(self, step):
        """Forgets lines of steps that a resumed run will do again."""
        if not self._metrics.exists():
            return
        text = "".join(f"{json.dumps(record)}\n" for record in self.metrics
                       if record["step"] <= step)
        if text.encode() != self._metrics.read_bytes():
            storage.write_atomically(self._metrics, text)

    @property
    def operating_points(self):
        """What `thresholds` chose on the tune split; [] before that.

        Raises:
            CheckpointError: the file is damaged.
        """
        try:
            points = json.loads(self._points.read_text(encoding="utf-8"))
            if all({"name", "thresholds"} <= set(point) for point in points):
                return points
            reason = "a point without name or thresholds"
        except FileNotFoundError:
            return []
        except (TypeError, ValueError) as error:
            reason = str(error)
        raise errors.CheckpointError(
            f"{self._points} does not hold operating points ({reason}). Give "
            "the training command again, which chooses them anew.")

    def save_operating_points(self, points):
        storage.write_atomically(self._points, json.dumps(points, indent=1))

    @property
    def _points(self):
        return self._home / "operating_points.json"

    @property
    def _file(self):
        return self.path / "run.json"

    @property
    def _metrics(self):
        return self.path / "metrics.jsonl"


def _complete(line):
    try:
        return "step" in json.loads(line)
    except (TypeError, ValueError):  # the line that a crash cut short
        return False
