"""What a network did on a split, image by image, at any exit thresholds.

`python -m ddi_tf.evaluate --run=RUN` writes it to RUN/traces/SPLIT.npz: labels,
answers and entropies of every exit, what every gate said. From that and a
bundle's prices comes, without a network, what the controller would do.
"""

import functools
import json
import pathlib
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from device import budget
from device import errors

FORMAT_VERSION = 1

_ARRAYS = ("labels", "predictions", "entropies", "layers", "base_logits")

_AGAIN = "Write it again: python -m ddi_tf.evaluate --run=..."


class Outcome(NamedTuple):
    """What N images did in one way of running them."""

    exits: np.ndarray       # [N] int, which answered; the head is the last
    right: np.ndarray       # [N] bool
    macs: np.ndarray        # [N] int64, gates and exits included
    energy_pj: np.ndarray   # [N] int64, of the same, modelled
    latency_ms: np.ndarray  # [N] float64, medians of a profile; NaN without


class Recorded:
    """Traces of a bundle's network; N images, E exits, K blocks.

    Args:
        labels: [N] int, the right answers.
        predictions: [N, E + 1] int, of every exit and the head.
        entropies: [N, E + 1] float32, nats.
        base: [N] int, answers of the base network, everything run.
        layers: [N, K] bool, what the layer gates say.
        masks: K times [N, G_k] bool, what the channel gates say.
        bundle: `bundle.Bundle` of the network.
        profile: `profile.Profile` of it, for latencies; None: unknown.
    """

    def __init__(self, labels, predictions, entropies, base, layers, masks,
                 bundle, profile=None):
        self._labels, self._predictions = labels, predictions
        self._entropies, self._base = entropies, base
        self._layers, self._masks = layers, masks
        self._bundle, self._plan = bundle, bundle.manifest.plan
        self._prices = _prices(bundle, profile)

    def __len__(self):
        return len(self._labels)

    def outcome(self, thresholds):
        """The `Outcome` at exit thresholds.

        Args:
            thresholds: one entropy in nats per exit, None for an exit that is
                off; None: all off.
        """
        names = [step.exit for step in self._plan.steps if step.exit]
        exits = np.full(len(self), len(names))
        cost = self._ways[-1] + self._prices[self._plan.head]
        for index, threshold in reversed(tuple(enumerate(thresholds or ()))):
            if threshold is not None:
                leaves = self._entropies[:, index] <= threshold
                exits[leaves] = index
                # Who leaves behind this exit has paid for it too.
                cost = self._prices[names[index]] + np.where(
                    leaves[:, None], self._ways[index], cost)
        return self._outcome(
            exits, self._predictions[np.arange(len(self)), exits], cost)

    def full(self):
        """The `Outcome` of the base network: no gate, no exit, all channels.

        What settled gates never run has no graphs in the bundle, whose time
        would be known: it counts in proportion to its MACs.
        """
        manifest = self._bundle.manifest
        cost = sum(self._prices[name] for name in budget.opened(
            self._plan, self._bundle.graphs))
        cost = cost * manifest.base_macs / cost[0]
        if manifest.base_energy_nj is not None:
            cost[1] = 1000 * manifest.base_energy_nj
        return self._outcome(
            np.full(len(self), self._predictions.shape[1] - 1), self._base,
            np.broadcast_to(cost, (len(self), len(cost))))

    def _outcome(self, exits, predictions, cost):
        return Outcome(
            exits, predictions == self._labels,
            *np.rint(cost[:, :2]).astype(np.int64).T, cost[:, 2])

    @functools.cached_property
    def _ways(self):
        """Cost of the way to every exit and the head, without their own.

        Returns:
            E + 1 times [N, 3] float64.
        """
        ways = []
        so_far = np.tile(self._prices[self._plan.stem], (len(self), 1))
        for step, is_open, mask in zip(
                self._plan.steps, self._layers.T, self._masks, strict=True):
            so_far = so_far + self._block(step, is_open, mask)
            if step.exit is not None:
                ways.append(so_far)
        return (*ways, so_far)

    def _block(self, step, is_open, mask):
        """[N, 3]: what a block and its gates cost every image."""
        gates, wanted = np.zeros((len(self), 3)), np.zeros_like(mask)
        wanted[:, list(budget.settled_groups(step))] = True
        if step.layer_gate is not None:
            gates = gates + self._prices[step.layer_gate]
            wanted = wanted & is_open[:, None]
        if step.channel_gate is not None:
            gates = gates + np.where(
                wanted.any(axis=1)[:, None], self._prices[step.channel_gate], 0)
            wanted = wanted & mask
        wanted[:, list(budget.least_groups(step))] = True
        sets, which = np.unique(wanted, axis=0, return_inverse=True)
        runs = np.stack([self._variant(step, tuple(np.flatnonzero(groups)))
                         for groups in sets])
        return gates + runs[which.ravel()]

    def _variant(self, step, groups):
        """[3]: what a block of these open groups costs without its gates."""
        name = budget.graph_run(step, groups, self._bundle.graphs)
        return np.zeros(3) if name is None else self._prices[name]


def load(path, bundle, profile=None):
    """The `Recorded` in a file of traces.

    Args:
        path: RUN/traces/SPLIT.npz.
        bundle: `bundle.Bundle` that was exported from RUN.
        profile: `profile.Profile` of it, or None.

    Raises:
        TracesError: missing, damaged, of another version, or of another
            network than the bundle's.
    """
    about, arrays = _read(pathlib.Path(path))
    _check_same(path, about, bundle)
    steps = bundle.manifest.plan.steps
    count, exits = arrays["labels"].size, len(bundle.exits)
    shapes = {
        "labels": (count,), "predictions": (count, exits + 1),
        "entropies": (count, exits + 1), "layers": (count, len(steps)),
        "base_logits": (count, len(bundle.manifest.labels)),
        **{f"masks_{k}": (count, step.groups) for k, step in enumerate(steps)}}
    for name, shape in shapes.items():
        found = arrays.get(name, np.array(None))
        if found.shape != shape or found.dtype.kind not in "biuf" or not count:
            raise errors.TracesError(
                f"{path}: {name}: expected numbers of shape {shape}, found "
                f"{found.dtype} of {found.shape}. {_AGAIN}")
    return Recorded(
        arrays["labels"], arrays["predictions"], arrays["entropies"],
        arrays["base_logits"].argmax(axis=1), arrays["layers"] > 0,
        [arrays[f"masks_{k}"] > 0 for k in range(len(steps))], bundle, profile)


def _read(path):
    """(`about` as a dict, the arrays as a dict) of a file of traces."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            arrays = {name: file[name] for name in file.files
                      if name in _ARRAYS or name.startswith("masks_")}
        version, _ = about["format_version"], arrays["labels"]
    except FileNotFoundError:
        raise errors.TracesError(
            f"{path}: no such file. Give the RUN/traces/test.npz that `python "
            "-m ddi_tf.evaluate --run=RUN --split=test` wrote.") from None
    except (OSError, ValueError, EOFError, KeyError, TypeError,
            RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise errors.TracesError(
            f"{path}: cannot be read as traces ({error!r:.80}). {_AGAIN}"
        ) from None
    if version != FORMAT_VERSION:
        raise errors.TracesError(
            f"{path}: expected format version {FORMAT_VERSION}, found "
            f"{version!r:.80}. {_AGAIN}")
    return about, arrays


def _check_same(path, about, bundle):
    """Raises TracesError unless they are of the bundle's network."""
    manifest = bundle.manifest
    expected = {
        "settings": manifest.provenance.settings, "gates_open": False,
        "blocks": [step.name for step in manifest.plan.steps],
        "exits": list(bundle.exits)}
    for name, value in expected.items():
        if about.get(name) == value:
            continue
        if name == "settings" and isinstance(about.get(name), dict):
            name, found, value = _difference(about[name], value)
        else:
            found = about.get(name)
        raise errors.TracesError(
            f"{path}: expected traces of the network in {bundle.folder}, with "
            f"{name} {value!r:.80}, found {found!r:.80}. Give the traces of "
            "the run that the bundle was exported from, or export it again.")


def _difference(found, expected):
    """(name, found, expected) of the first setting that differs."""
    name = next(name for name in (*expected, *found)
                if found.get(name) != expected.get(name))
    return name, found.get(name), expected.get(name)


def _prices(bundle, profile):
    """Graph name -> [3] float64: MACs, modelled pJ, median ms (or NaN)."""
    return {
        name: np.array([
            graph.macs, budget.energy_pj(graph),
            np.nan if profile is None else profile.graph(name).median_ms])
        for name, graph in bundle.graphs.items()
        if name in bundle.manifest.plan.graph_names}
