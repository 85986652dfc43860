"""A bundle for people: what it is, its graphs, and what ways through it cost.

Tables without lines, so that they can be searched and cut when written to a
file; there as wide as they need, on a terminal as wide as that.
"""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from converters import plan_costs
from converters import plan_words

# Columns where nothing shows how many there are: a file, a pipe.
_UNBOUNDED = 10_000

# Of many labels, as many are named.
_LABELS = 10

# What graphs compute with, by `bundle.Numbers.kind`.
_NUMBERS = {"none": "float32",
            "float16": "float32, weights kept as float16",
            "dynamic": "float32, weights kept as int8 (dynamic)",
            "int8": "int8 (each with its scale below)"}

_WHAT = ("name", "role", "input -> output", "output type")
_COSTS = ("MACs", "of base", "bytes", "nJ")
_TIMES = ("median ms", "p95 ms")
_LEFT = ("name", "role", "input -> output", "output type", "point", "way")


def print_bundle(bundle, profile, file, width=None):
    """Prints all of it.

    Args:
        bundle: `bundle.Bundle`.
        profile: `profile.Profile` of this very bundle, or None.
        file: to write to.
        width: columns; None: the terminal's, or as many as needed elsewhere.
    """
    console = _console(file, width)
    with console.capture() as captured:
        for part in _parts(bundle, profile, console):
            console.print(part)
    # Without the spaces that fill rich's columns.
    file.writelines(f"{line.rstrip()}\n" for line in
                    captured.get().splitlines())
    file.flush()


def _parts(bundle, profile, console):
    """Tables, from what the bundle is to totals."""
    yield _summary(bundle, profile)
    if bundle.manifest.operating_points:
        yield _points(bundle)
    rows = plan_costs.rows(bundle)
    costs = _COSTS if profile is None else _COSTS + _TIMES
    whole = _graphs(bundle, rows, profile, _WHAT + costs)
    unbounded = console.options.update_width(_UNBOUNDED)
    if console.measure(whole, options=unbounded).maximum <= console.width:
        yield whole
    else:
        yield _graphs(bundle, rows, profile, _WHAT)
        yield _graphs(bundle, rows, profile, ("name", *costs))
    yield _ways(bundle, profile)


def _console(file, width):
    console = Console(file=file, width=width, markup=False, highlight=False,
                      emoji=False)
    if width is None and not console.is_terminal:
        console.width = _UNBOUNDED
    return console


def _table(columns, title=None):
    """An empty one."""
    table = Table(box=None, title=title, title_justify="left", pad_edge=False,
                  title_style="bold", caption_justify="left",
                  header_style="bold", padding=(0, 1, 0, 0))
    for column in columns:
        left = column in _LEFT
        table.add_column(_text(column), justify="left" if left else "right",
                         no_wrap=not left or column == "name")
    return table


def _text(value):
    return Text(plan_words.printable(value))


def _summary(bundle, profile):
    """What the bundle is, a line each."""
    manifest = bundle.manifest
    labels = list(manifest.labels[:_LABELS])
    if len(manifest.labels) > _LABELS:
        labels.append("...")
    total = plan_costs.cost(list(bundle.graphs.values()))
    images = bundle.graphs[manifest.plan.stem].inputs[0]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    lines = {
        "bundle": f"{bundle.folder.resolve().name}: {manifest.task}, images "
        f"of {'x'.join(map(str, manifest.input.shape))} as {_type(images)}",
        "labels": f"{len(manifest.labels)}: {', '.join(labels)}",
        "numbers": _numbers(manifest.numbers),
        "base network": f"{manifest.base_macs:,} MACs, without gates and exits",
        "energy": f"modelled, {manifest.energy_model}",
        "can be skipped": plan_words.skips(manifest.plan),
        "size": f"{total.bytes:,} bytes in {len(bundle.graphs)} graphs; "
        f"{plan_costs.compressed_bytes(bundle):,} compressed (zlib)",
        "commit": _commits(manifest.provenance),
        "checksum": bundle.checksum[:12]}
    if profile is not None:
        lines["latency"] = _latency(profile)
        lines["warnings"] = " ".join(profile.warnings) or "none"
    for key, value in lines.items():
        table.add_row(key, _text(value))
    return table


def _numbers(numbers):
    kind = _NUMBERS.get(numbers.kind, numbers.kind)
    if numbers.calibration is None:
        return kind
    return (f"{kind}; ranges found on {numbers.calibration.images} images, "
            f"{100 * numbers.calibration.saturated:.4f}% of others' features "
            "lie beyond them")


def _commits(provenance):
    trained = provenance.settings.get("commit")
    return provenance.commit + (
        f" (export), {trained} (training)" if trained else " (export)")


def _latency(profile):
    whole = profile.full_path
    return (f"{profile.machine.model}, {profile.interpreter.name} "
            f"{profile.interpreter.version}, threads: {profile.threads}, "
            f"{profile.runs} rounds; full path as one run: median "
            f"{whole.median_ms:.3f} ms, p95 {whole.p95_ms:.3f} ms")


def _points(bundle):
    """A row per operating point."""
    manifest = bundle.manifest
    table = _table(("point", "right on tune", "mean MACs",
                    "of base", *bundle.exits),
                   "\nOperating points: an exit answers below its "
                   f"{manifest.entropy} entropy (nats)")
    for point in manifest.operating_points:
        table.add_row(
            _text(point.name), f"{100 * point.tune_accuracy:.2f}%",
            f"{point.tune_mean_macs:,.0f}",
            _share(point.tune_mean_macs, manifest.base_macs),
            *("off" if threshold is None else f"{threshold:.3f}"
              for threshold in point.thresholds))
    return table


def _graphs(bundle, rows, profile, columns):
    """A row per graph, an empty line between blocks."""
    appending = {variant.graph for step in bundle.manifest.plan.steps
                 for variant in step.variants if step.appended}
    title = "\nGraphs, in the order of the plan"
    if "role" in columns:
        title += " (x3: three blocks use it"
        title += "; ->+: it appends)" if appending else ")"
    table = _table(columns, title)
    latencies = {} if profile is None else {
        graph.name: graph for graph in profile.graphs}
    previous = rows[0].step
    for row in rows:
        if row.step != previous:
            table.add_row()
        previous = row.step
        cells = _cells(bundle.manifest, row, latencies.get(row.graph.name),
                       "->+" if row.graph.name in appending else "->")
        table.add_row(*(cells[column] for column in columns))
    return table


def _cells(manifest, row, latency, arrow):
    """Column -> text; `arrow` is what stands between input and output."""
    graph = row.graph
    times = "" if row.uses == 1 else f" x{row.uses}"
    shapes = map(plan_words.shape, (graph.inputs, graph.outputs))
    return {
        "name": _text(graph.name), "role": _text(graph.role + times),
        "input -> output": _text(f" {arrow} ".join(shapes)),
        "output type": _text(_type(graph.outputs[0])),
        "MACs": f"{graph.macs:,}",
        "of base": _share(graph.macs, manifest.base_macs),
        "bytes": f"{graph.bytes:,}", "nJ": f"{graph.energy_nj:,.1f}",
        "median ms": "" if latency is None else f"{latency.median_ms:.4f}",
        "p95 ms": "" if latency is None else f"{latency.p95_ms:.4f}"}


def _type(tensor):
    """ "float32", or "int8 0.0671" with its scale, of a `bundle.Tensor`."""
    if tensor.scale is None:
        return tensor.dtype
    return f"{tensor.dtype} {tensor.scale:.3g}"


def _ways(bundle, profile):
    """Totals."""
    times = () if profile is None else _TIMES[:1]
    table = _table(("way", *_COSTS, *times), "\nIn all")
    table.caption = _text(
        "full path: what runs if every gate opens. cheapest: every block "
        "skipped that can be, no gate asked. nJ: modelled. median ms: sum of "
        "the graphs'.")
    for way in plan_costs.ways(bundle):
        cost = plan_costs.cost(way.graphs, profile)
        cells = [f"{cost.macs:,}",
                 _share(cost.macs, bundle.manifest.base_macs),
                 f"{cost.bytes:,}", f"{cost.energy_nj:,.1f}"]
        if profile is not None:
            cells.append("" if cost.median_ms is None
                         else f"{cost.median_ms:.4f}")
        table.add_row(_text(way.name), *cells)
    return table


def _share(macs, base_macs):
    return f"{100 * macs / base_macs:.1f}%"
