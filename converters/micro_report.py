"""What `python -m converters.micro` found, as numbers and as tables."""

import dataclasses
import importlib.metadata

from rich.console import Console
from rich.table import Table

from converters import rehearsal

_PACKAGES = ("tflite-micro", "ai-edge-litert")


def values(bundle, memory, paths, comparisons, decisions, source):
    """A dict for JSON; the same bundle and images give the same.

    Args:
        bundle: `bundle.Bundle`.
        memory: `memory_plan.Memory`.
        paths: `memory_plan.Paths`.
        comparisons: graph name -> `rehearsal.Comparison`.
        decisions: list of `rehearsal.Decisions`, one per image.
        source: what the images are, in words.
    """
    return {
        "bundle_checksum": bundle.checksum,
        "versions": {name: importlib.metadata.version(name)
                     for name in _PACKAGES},
        "images": {"source": source, "count": len(decisions)},
        "flash_bytes": {
            "graphs": memory.graphs, "tables": memory.tables,
            "total_without_code": memory.flash},
        "ram_bytes": {
            "arena": memory.arena, "features_state_logits": memory.work,
            "image": memory.image, "total": memory.ram,
            "arena_if_all_interpreters_are_kept": memory.arena_kept},
        "paths": {
            "full": _path(paths.full()), "cheapest": _path(paths.cheapest()),
            "mean": {name: _mean(bundle, paths, decisions, thresholds)
                     for name, thresholds in _points(bundle).items()}},
        "comparison": {
            "float_tolerance": rehearsal.TOLERANCE,
            "roles": _by_role(bundle, comparisons)},
        "graphs": [_graph(spec, memory.arenas[spec.name],
                          comparisons[spec.name])
                   for spec in bundle.manifest.graphs]}


def print_tables(report, file):
    """The tables for people; `report` as `values` makes it."""
    console = Console(file=file)
    console.print(_memory_table(report))
    console.print(_path_table(report))
    console.print(_graph_table(report))


def _points(bundle):
    """Name -> thresholds of every operating point, and with all exits off."""
    return {"exits off": [None] * len(bundle.exits), **{
        point.name: point.thresholds
        for point in bundle.manifest.operating_points if bundle.exits}}


def _path(path):
    return {"macs": path.macs, "ram_bytes": path.ram,
            "graph_bytes": path.graph_bytes, "graphs_run": path.runs}


def _mean(bundle, paths, decisions, thresholds):
    path, shares = paths.mean(decisions, thresholds)
    return {**_path(path), "answered_by": dict(zip(
        (*bundle.exits, bundle.manifest.plan.head), shares))}


def _by_role(bundle, comparisons):
    """Role -> sums over its graphs."""
    roles = {}
    for spec in bundle.manifest.graphs:
        found = comparisons[spec.name]
        sums = roles.setdefault(spec.role, {
            "graphs": 0, "numbers": 0,
            **{kernels: {"differing": 0, "largest": 0.0}
               for kernels in ("reference", "default")}})
        sums["graphs"] += 1
        sums["numbers"] += found.numbers
        for kernels in ("reference", "default"):
            difference, total = getattr(found, kernels), sums[kernels]
            total["differing"] += difference.differing
            total["largest"] = max(total["largest"], difference.largest)
    return roles


def _graph(spec, arena, comparison):
    return {
        "name": spec.name, "role": spec.role, "bytes": spec.bytes,
        "macs": spec.macs, "arena_bytes": arena.total,
        "arena_head_bytes": arena.head, "arena_tail_bytes": arena.tail,
        "runs_compared": comparison.runs, "numbers": comparison.numbers,
        "reference": dataclasses.asdict(comparison.reference),
        "default": dataclasses.asdict(comparison.default)}


def _memory_table(report):
    ram, flash = report["ram_bytes"], report["flash_bytes"]
    table = _table("memory", ("bytes",))
    table.add_row("flash: graphs", f"{flash['graphs']:,}")
    table.add_row("flash: plan, labels, thresholds", f"{flash['tables']:,}")
    table.add_row("flash, without code", f"{flash['total_without_code']:,}")
    table.add_row("RAM: arena, shared by all graphs", f"{ram['arena']:,}")
    table.add_row("RAM: features, state, logits",
                  f"{ram['features_state_logits']:,}")
    table.add_row("RAM: image", f"{ram['image']:,}")
    table.add_row("RAM, without code's own", f"{ram['total']:,}")
    return table


def _path_table(report):
    paths = report["paths"]
    preferred = "default" if "default" in paths["mean"] else "exits off"
    count = report["images"]["count"]
    table = _table("paths", ("MACs", "RAM", "graphs' bytes", "graphs run"))
    for name, path in (
            ("full (every gate, block and exit)", paths["full"]),
            ("cheapest (under a hard budget)", paths["cheapest"]),
            (f"mean of {count} images, {preferred}", paths["mean"][preferred])):
        table.add_row(name, f"{path['macs']:,.0f}", f"{path['ram_bytes']:,.0f}",
                      f"{path['graph_bytes']:,.0f}",
                      f"{path['graphs_run']:.1f}")
    return table


def _graph_table(report):
    count, source = report["images"]["count"], report["images"]["source"]
    table = _table(
        f"graphs; numbers of TFLM that differ from LiteRT's, {count} images "
        f"({source})", ("bytes", "arena", "numbers", "from reference kernels",
                        "from default kernels", "by up to"))
    for graph in report["graphs"]:
        table.add_row(
            graph["name"], f"{graph['bytes']:,}", f"{graph['arena_bytes']:,}",
            f"{graph['numbers']:,}", f"{graph['reference']['differing']:,}",
            f"{graph['default']['differing']:,}",
            f"{graph['default']['largest']:.2g}")
    return table


def _table(title, columns):
    table = Table(title=title)
    table.add_column("", overflow="fold")  # names are cut nowhere
    for column in columns:
        table.add_column(column, justify="right")
    return table
