"""A run's summary as one page for people."""

import shlex

from rich import box
from rich.console import Console
from rich.table import Table

# What `resources.RESOURCES` are called in a sentence.
_UNITS = {"flops": "MACs"}


def show(values, file):
    """Prints what `run_summary.values` found to `file`.

    Paths and commands are never folded, so that they can be copied.
    """
    console = Console(file=file, highlight=False)
    console.print(_verdict(values), style="bold", soft_wrap=True, markup=False)
    tables = [_phases(values)]
    if values["phases"]:
        tables.append(_results(values))
    if len(values["answers"]) > 1 and values["tune"]["gated"]:
        tables.append(_answers(values))
    for part in ("\n".join(_subject(values)), *tables,
                 "\n".join(_rest(values))):
        console.print()
        console.print(part, soft_wrap=isinstance(part, str), markup=False)


def _verdict(values):
    run = values["run"]
    if not values["finished"]:
        return f"{run} is not finished: the same command goes on with it."
    point = values["operating_points"][0]
    taken = ", early exits taken" if values["network"]["exits"] else ""
    return (f"Trained {run}: tune accuracy {_percent(point['accuracy'], 2)} at "
            f"{point['mean_macs_of_base']:.3f} of the base network's MACs"
            f"{taken}.")


def _subject(values):
    network, data = values["network"], values["data"]
    height, width, _ = network["image_shape"]
    gates = [name for name, there in (
        ("layers", network["layer_gates"]),
        (_channels(network), network["channel_gates"])) if there]
    return (
        f"network {network['name']}: "
        f"{network['base_macs'] / 1e6:.2f} M MACs "
        f"({network['macs_with_gates_and_exits'] / 1e6:.2f} M with all gates, "
        f"exits), {network['parameters']:,} weights",
        f"        {network['blocks']} blocks, {network['exits']} exits, "
        f"gates for {' and '.join(gates) or 'nothing'}",
        f"data    {data['name']}: {data['classes']} classes, "
        f"{height} x {width} pixels",
        f"from    commit {values['commit']}, seed {values['seed']}, flags in "
        "flags.cfg")


def _channels(network):
    groups = (f"{network['groups']} groups" if network["groups"]
              else "each by itself")
    return f"channels ({groups}, {network['mask_site']})"


def _phases(values):
    table = _table("phase", "epochs", "time", "tune accuracy", "work skipped",
                   "cost of base")
    for phase in values["phases"]:
        table.add_row(
            phase["name"], f"{phase['epochs']:g}" if phase["epochs"] else "",
            _duration(phase["seconds"]), _percent(phase["accuracy"], 2),
            _percent(phase["skip_ratio"]), _share(phase["cost"]))
    return table


def _results(values):
    """Rows from the base network to the operating points."""
    table = _table("on the tune split", "accuracy", "against base",
                   "cost of base")
    base = values["tune"]["base_accuracy"]
    rows = []
    if base is not None:
        rows.append(("base network, in full", base, 1.0))
    if gated := values["tune"]["gated"]:
        network = values["network"]
        kind = ("gated, " if network["layer_gates"] or network["channel_gates"]
                else "")
        rows.append((f"{kind}no exit taken", gated["accuracy"], gated["cost"]))
        rows += [(f"{kind}exits at {point['name']} (MACs)", point["accuracy"],
                  point["mean_macs_of_base"])
                 for point in values["operating_points"]]
    for name, accuracy, cost in rows:
        change = ("" if None in (base, accuracy)
                  else f"{100 * (accuracy - base):+.2f} pp")
        table.add_row(name, _percent(accuracy, 2), change, _share(cost))
    return table


def _answers(values):
    table = _table("answer", "sure below", "images", "right of these",
                   "right if all left here")
    for answer in values["answers"]:
        threshold = answer["threshold"]
        if answer["name"] == "head":
            limit = ""
        elif threshold is None:
            limit = "off" if values["finished"] else ""
        else:
            limit = f"{threshold:.3f} nats"
        table.add_row(
            answer["name"], limit, _percent(answer["left"]),
            _percent(answer["left_accuracy"], 2),
            _percent(answer["accuracy_if_all"], 2))
    return table


def _rest(values):
    """Lines: target, time, where it lies, what to do next."""
    run = shlex.quote(values["run"])
    if target := values["target"]:
        unit = _UNITS.get(target["resource"], target["resource"])
        yield (f"target  {target['cost']:.3f} of the base network's {unit}; "
               f"reached {target['reached']:.3f}, {100 * target['miss']:+.1f}%")
    if values["compression"]:
        yield _kernels(**values["compression"])
    yield f"time    {_duration(values['seconds'])}"
    yield f"in      {values['run']}: checkpoints/, phases/, board/, flags.cfg,"
    yield "        metrics.jsonl, operating_points.json, summary.json"
    yield f"see     tensorboard --logdir={run}/board"
    if values["finished"]:
        folder = "".join(f" {shlex.quote(line)}" for line in values["flags"]
                         if line.startswith("--data_dir="))
        yield (f"Next: python -m ddi_tf.evaluate --run={run} --split=test"
               f"{folder}")
        yield (f"      python -m converters.export --checkpoint={run} "
               "--output=BUNDLE")


def _kernels(phases, before, after):
    """What pruning and clustering came to, in 80 columns."""
    def change(name, text):
        return " to ".join("?" if found is None else text(found[name])
                           for found in (before, after))

    del phases
    return (f"kernels {change('sparsity', _percent)} zeros, "
            f"{change('distinct', '{:,}'.format)} values at most, gzip "
            f"{change('gzip_bytes', _kilobytes)} kB")


def _table(*columns):
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False,
                  padding=(0, 1))
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    return table


def _percent(share, digits=1):
    return "" if share is None else f"{100 * share:.{digits}f}%"


def _share(value):
    return "" if value is None else f"{value:.3f}"


def _kilobytes(count):
    return f"{count / 1000:,.0f}"


def _duration(seconds):
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
