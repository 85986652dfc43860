"""What a network did on a split, in a file: RUN/traces/SPLIT.npz.

`python -m ddi_tf.evaluate` writes it; whatever chooses thresholds, counts or
draws reads it, and needs no network. With numpy alone:

    np.load("RUN/traces/test.npz")["entropies"]    # [N, E + 1]

Arrays: those of `traces.Traces` (`masks_k` of block k), `base_logits` [N, C] of
the base network with everything run, `examples` (images that skip most, then
least) with their `example_indices`, and for every resource R `spent_R` [N, E+1]
and `answers_R` [E+1] (`traces.Cost`). `about` is a JSON text, `About` in words.
"""

import dataclasses
import hashlib
import io
import json
import pathlib
import zipfile
from typing import NamedTuple

import numpy as np

from ddi_tf import errors
from ddi_tf import storage
from ddi_tf import traces as traces_lib

FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class About:
    """Where a file of traces comes from.

    Attributes:
        format_version: FORMAT_VERSION of who wrote it.
        fingerprint: hex sha256 of checkpoints and labels (`fingerprint`).
        run: the run folder's name.
        commit, seed: that trained it.
        split: "train", "tune" or "test".
        best: whether the network is that of the best epoch.
        gates_open: whether everything ran, and no gate was asked or paid; batch
            norm is then measured that way.
        settings: run.json of the run.
        blocks, exits: names of the K blocks and the E exits, in order.
        exit_after: E block indices.
        resources: resource -> {"unit", "base", "source"}; "macs" always.
    """

    format_version: int
    fingerprint: str
    run: str
    commit: str
    seed: int
    split: str
    best: bool
    gates_open: bool
    settings: dict
    blocks: tuple
    exits: tuple
    exit_after: tuple
    resources: dict

    @property
    def label_names(self):
        """C names of classes."""
        return self.settings["data"]["label_names"]


class Recorded(NamedTuple):
    """What a file holds."""

    about: About
    traces: traces_lib.Traces
    costs: dict                  # resource -> `traces.Cost`
    base_logits: np.ndarray      # [N, C] float32
    examples: np.ndarray         # [2 M, H, W, 3] uint8: most skipped, then least
    example_indices: np.ndarray  # [2 M] int

    @property
    def base_accuracy(self):
        """Share of right answers of the base network."""
        return float(np.mean(
            self.base_logits.argmax(axis=1) == self.traces.labels))


def path(folder, split, best=False, gates_open=False):
    """Where traces lie.

    Args:
        folder: path of the run.
        split: one of `data.SPLITS`.
        best: whether they are those of the best epoch's network.
        gates_open: whether everything ran, and no gate was asked.
    """
    options = [name for name, chosen in (
        ("best", best), ("gates_open", gates_open)) if chosen]
    return (pathlib.Path(folder) / "traces"
            / f"{'-'.join([split, *options])}.npz")


def fingerprint(folder, labels):
    """Hex sha256 of what traces depend on: networks, and images by labels.

    Args:
        folder: `run_folder.RunFolder`.
        labels: [N] of the split, in its order.
    """
    digest = hashlib.sha256()
    for prefix in (folder.latest_prefix, folder.phase_prefix("base")):
        files = pathlib.Path(prefix).parent.glob(
            f"{pathlib.Path(prefix).name}.*") if prefix else ()
        for file in sorted(files):
            digest.update(file.read_bytes())
    digest.update(np.ascontiguousarray(labels, np.int32).tobytes())
    return digest.hexdigest()


def save(where, recorded):
    """Writes `Recorded` to a path, all of it or nothing. Raises StorageError."""
    arrays = {
        **to_arrays(recorded.traces), "base_logits": recorded.base_logits,
        "examples": recorded.examples,
        "example_indices": recorded.example_indices,
        "about": np.array(json.dumps(dataclasses.asdict(recorded.about)))}
    for name, cost in recorded.costs.items():
        arrays |= {f"spent_{name}": cost.spent, f"answers_{name}": cost.answers}
    write(where, arrays)


def load(where):
    """`Recorded` from a path.

    Raises:
        TracesError: there is none, or it is damaged or of another version.
    """
    arrays = read(where)
    try:
        known = json.loads(str(arrays["about"]))
        if known["format_version"] != FORMAT_VERSION:
            raise errors.TracesError(
                f"{where} has format version {known['format_version']}, this "
                f"reader knows {FORMAT_VERSION}. {_AGAIN}")
        about = About(**{key: tuple(value) if isinstance(value, list) else value
                         for key, value in known.items()})
        return Recorded(
            about, from_arrays(arrays),
            {name: traces_lib.Cost(resource["unit"], resource["base"],
                                   arrays[f"answers_{name}"],
                                   arrays[f"spent_{name}"])
             for name, resource in about.resources.items()},
            *(arrays[name] for name in Recorded._fields[3:]))
    except (KeyError, TypeError, ValueError) as error:
        raise errors.TracesError(
            f"{where} holds no traces ({error!r}). {_AGAIN}") from None


def load_of(folder, split):
    """`Recorded` of a run's present network.

    Args:
        folder: `run_folder.RunFolder`.
        split: one of `data.SPLITS`.

    Raises:
        TracesError: as `load`, or the network has been trained on since.
    """
    where = path(folder.path, split, folder.is_best)
    recorded = load(where)
    if recorded.about.fingerprint != fingerprint(
            folder, recorded.traces.labels):
        raise errors.TracesError(
            f"{where} is of another network than the one in {folder.path} now. "
            f"Write it again: {_command(where)}")
    return recorded


_AGAIN = "Delete it and write it again: python -m ddi_tf.evaluate --run=..."


def to_arrays(traces):
    """`traces.Traces` as a dict of arrays, small ones."""
    found = traces._asdict()
    for k, mask in enumerate(found.pop("masks")):
        found[f"masks_{k}"] = np.asarray(mask, np.uint8)
    return {**found, "layers": np.asarray(traces.layers, np.uint8)}


def from_arrays(arrays):
    """The inverse of `to_arrays`; other entries are left alone."""
    masks = tuple(arrays[f"masks_{k}"].astype(np.float32)
                  for k in range(arrays["layers"].shape[1]))
    fields = {name: arrays[name] for name in traces_lib.Traces._fields
              if name != "masks"}
    fields["layers"] = fields["layers"].astype(np.float32)
    return traces_lib.Traces(**fields, masks=masks)


def write(where, arrays):
    """Writes a dict of arrays as .npz, whole or not at all.

    Raises:
        StorageError: the disk is full, or the folder not writable.
    """
    where = pathlib.Path(where)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    with storage.writing(where.parent):
        where.parent.mkdir(parents=True, exist_ok=True)
    storage.write_atomically(where, content.getvalue())


def read(where):
    """A dict of arrays that `write` wrote; what was float16 is float32.

    Raises:
        TracesError: the file is missing or damaged.
    """
    try:
        with np.load(where, allow_pickle=False) as file:
            return {name: array.astype(np.float32)
                    if array.dtype == np.float16 else array
                    for name, array in file.items()}
    except FileNotFoundError:
        raise errors.TracesError(
            f"{where} is not there. Write it first: {_command(where)}"
        ) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise errors.TracesError(
            f"{where} cannot be read ({error}). {_AGAIN}") from None


def _command(where):
    """The command that writes the file `where` (`path`)."""
    split, *options = pathlib.Path(where).stem.split("-")
    return " ".join([
        "python -m ddi_tf.evaluate", f"--run={pathlib.Path(where).parents[1]}",
        f"--split={split}", *(f"--{option}" for option in options)])
