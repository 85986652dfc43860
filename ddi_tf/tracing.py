"""Runs a trained network over a split, part by part, and keeps what it did.

Parts are files until the last is done: a second call goes on where the first
one stopped, and traces that are there for the same network are not made again.
"""

import pathlib
import shutil

import numpy as np

from ddi_tf import costs
from ddi_tf import data
from ddi_tf import errors
from ddi_tf import finish
from ddi_tf import progress
from ddi_tf import resources
from ddi_tf import trace_files
from ddi_tf import traces

_PART = 1000  # images

# Images kept of those that skip most, and as many of those that skip least.
_EXAMPLES = 8


def record(folder, split_name, dataset, priced, gates_open=False,
           on_images=lambda count: None):
    """Traces of a split, made or found; written to the run's folder.

    Args:
        folder: `run_folder.RunFolder` of a trained run.
        split_name: one of `data.SPLITS`.
        dataset: `data.Dataset` that the run was trained on.
        priced: `resources` beside MACs to give costs in.
        gates_open: whether everything runs and no gate is asked or paid: what
            the same weights' exits give by themselves.
        on_images: called with the number of images done, as they are.

    Returns:
        `trace_files.Recorded`.

    Raises:
        CheckpointError: the run has no trained network.
        StorageError: the folder is full or not writable.
    """
    split = dataset.part(split_name)
    network, base = folder.load_network(), folder.load_network("base")
    priced = [resources.Flops(), *priced]
    tables = [resource.table(network) for resource in priced]
    if gates_open:
        tables = [costs.without_gates(table) for table in tables]
    known = trace_files.fingerprint(folder, split.labels)
    where = trace_files.path(
        folder.path, split_name, folder.is_best, gates_open)
    found = _made_before(where, known)
    if found is None:
        if gates_open:
            _measure_norms(network, dataset, folder.settings["schedule"])
        tracers = (traces.Tracer(network, dataset.scaling, gates_open),
                   traces.Tracer(base, dataset.scaling, all_open=True))
        found = _in_parts(where.with_suffix(""), known, split, *tracers,
                          on_images)
    else:
        on_images(len(split.labels))
    traced, base_logits = found
    found_costs = {_name(resource): traced.cost(table, resource.unit)
                   for resource, table in zip(priced, tables)}
    settings = folder.settings
    indices = _most_and_least(traced)
    recorded = trace_files.Recorded(
        trace_files.About(
            format_version=trace_files.FORMAT_VERSION, fingerprint=known,
            run=folder.path.resolve().name, commit=settings["commit"],
            seed=settings["schedule"]["seed"], split=split_name,
            best=folder.is_best, gates_open=gates_open, settings=settings,
            blocks=tuple(block.name for block in network.blocks),
            exits=tuple(exit_.name for exit_ in network.exits.values()),
            exit_after=network.costs.exit_after, resources={
                _name(resource): {"unit": resource.unit, "base": float(table.base),
                               "source": resource.source}
                for resource, table in zip(priced, tables)}),
        traced, found_costs, base_logits, split.images[indices], indices)
    trace_files.save(where, recorded)
    shutil.rmtree(where.with_suffix(""), ignore_errors=True)
    return recorded


def _made_before(where, known):
    """(traces, base logits) of the same network, or None."""
    try:
        recorded = trace_files.load(where)
    except errors.TracesError:
        return None
    if recorded.about.fingerprint != known:
        return None
    return recorded.traces, recorded.base_logits


def _in_parts(parts, known, split, gated, full, on_images):
    """(traces, base logits) of a `data.Split`, a part at a time.

    Args:
        parts: folder for the parts.
        known: fingerprint; parts of others are thrown away.
        split: the images.
        gated, full: `traces.Tracer` of the network, and of the base network.
        on_images: as for `record`.
    """
    here = pathlib.Path(parts) / known[:16]
    for other in pathlib.Path(parts).glob("*"):
        if other != here:
            shutil.rmtree(other)
    found = []
    for start in range(0, len(split.labels), _PART):
        part = split._replace(images=split.images[start:start + _PART],
                              labels=split.labels[start:start + _PART])
        path = here / f"{start:08d}.npz"
        try:
            arrays = trace_files.read(path)
        except errors.TracesError:
            arrays = {
                **trace_files.to_arrays(gated.collect(part)),
                "base_logits": full.collect(part).logits[:, -1]}
            trace_files.write(path, arrays)
        found.append(arrays)
        on_images(len(part.labels))
    arrays = {name: np.concatenate([part[name] for part in found])
              for name in found[0]}
    return trace_files.from_arrays(arrays), arrays["base_logits"]


def _name(resource):
    """What a resource is called here: MACs are what is counted."""
    return "macs" if resource.name == "flops" else resource.name


def _measure_norms(network, dataset, schedule):
    """Batch norm with all gates open, on the run's first training batches.

    As the run's end measured it with the gates' own decisions (`finish`).
    """
    sampler = data.Sampler(
        len(dataset.train.images), schedule["batch_size"], schedule["seed"],
        dataset.flip, dataset.crop)
    with progress.bar("batch norm, gates open",
                      schedule["norm_batches"]) as advance:
        finish.Norms(network, "open").measure_at(
            range(schedule["norm_batches"]), dataset, sampler, advance)


def _most_and_least(traced):
    """Indices of the images that skip most, then of those that skip least."""
    order = np.argsort(traced.executed.mean(axis=1), kind="stable")
    count = min(_EXAMPLES, len(order))
    return np.concatenate([order[:count], order[::-1][:count]])
