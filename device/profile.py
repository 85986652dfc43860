"""What a bundle costs one machine, in time and energy: the file, its reader.

    python -m device.profile --bundle=BUNDLE --power=SOURCE

measures one (device.measure, device.measure_energy) and writes it
(device.profile_command).
"""

import dataclasses
import json
from typing import Optional

from device import bundle_check
from device import energy as energy_lib
from device import errors
from device import machine
from device import sealed_json
from device import whole_file

FORMAT_VERSION = 2

# Of thousands of graphs it would be as large.
_MOST_BYTES = 16_000_000

_AGAIN = "Measure again with `python -m device.profile`."


@dataclasses.dataclass(frozen=True)
class BundleId:
    """The bundle that was measured."""

    name: str      # of its folder
    checksum: str  # as in its manifest.json


@dataclasses.dataclass(frozen=True)
class GraphLatency:
    """One graph: inputs set, invoked, and its outputs taken."""

    name: str
    role: str     # a key of bundle_check.ROLES
    macs: int     # of one run
    median_ms: float
    p95_ms: float
    mean_ms: float
    count: int    # runs counted


@dataclasses.dataclass(frozen=True)
class FullPath:
    """An image to its label, every block open, no gate or exit asked.

    More than the sum of its graphs: scaling the image, softmax and the
    controller's own work are in it.
    """

    graphs: tuple[str, ...]  # that ran, in order
    median_ms: float
    p95_ms: float
    mean_ms: float
    count: int


@dataclasses.dataclass(frozen=True)
class Profile:
    """The file, typed."""

    format_version: int
    bundle: BundleId
    machine: machine.Machine
    interpreter: machine.Interpreter
    threads: int
    date: str     # UTC, ISO 8601, of the beginning
    runs: int     # rounds counted
    warmup: int   # rounds before them, not counted
    images: str   # "random", or where they came from
    before: machine.State
    after: machine.State
    full_path: FullPath
    graphs: tuple[GraphLatency, ...]  # in the manifest's order
    energy: Optional[energy_lib.Energy]  # None: was not measured
    warnings: tuple[str, ...]  # why the machine may have been disturbed

    def graph(self, name):
        """The `GraphLatency` called `name`. Raises KeyError."""
        return {graph.name: graph for graph in self.graphs}[name]

    @property
    def parts_ms(self):
        """Sum of the medians of the full path's graphs."""
        medians = {graph.name: graph.median_ms for graph in self.graphs}
        return sum(medians[name] for name in self.full_path.graphs)


_FORMAT = sealed_json.Format(
    contents=Profile, version=FORMAT_VERSION, most_bytes=_MOST_BYTES,
    error=errors.ProfileError, name="the profile", copied="it",
    again="measure again with `python -m device.profile`")


def load(path, bundle=None):
    """The checked `Profile` in the file `path`.

    Args:
        path: of the file.
        bundle: `bundle.Bundle` that it must have been measured on; None: any.

    Raises:
        ProfileError: missing, damaged, of another version, with a number that
            no measurement gives, or of another bundle; says what and where.
    """
    try:
        profile, _ = sealed_json.read(path, _FORMAT)
    except FileNotFoundError:
        raise errors.ProfileError(
            f"{path}: no such file. Give the file that `python -m "
            "device.profile --output=...` wrote.") from None
    _check(path, profile)
    if bundle is not None:
        _check_bundle(path, profile, bundle)
    return profile


def save(path, profile):
    """Writes a `Profile`: all of it, or nothing if anything goes wrong.

    Raises:
        ProfileError: it holds a number that `load` would refuse, or cannot be
            written.
    """
    _check(path, profile)
    sealed = sealed_json.sealed(sealed_json.values(profile))
    whole_file.write(
        path, json.dumps(sealed, indent=1) + "\n", errors.ProfileError)


def _check(path, profile):
    """Raises ProfileError for what no measurement can have given."""
    def require(condition, message):
        if not condition:
            raise errors.ProfileError(f"{path}: {message}. {_AGAIN}")

    names = [graph.name for graph in profile.graphs]
    require(len(names) == len(set(names)), "its graphs' names are not unique")
    missing = sorted(set(profile.full_path.graphs) - set(names))
    require(profile.full_path.graphs and not missing,
            f"the full path runs {', '.join(missing) or 'nothing'}, which was "
            "not measured")
    for name in ("threads", "runs"):
        value = getattr(profile, name)
        require(value > 0, f"{name}: expected a positive number, found {value}")
    for graph in profile.graphs:
        require(graph.role in bundle_check.ROLES and graph.macs >= 0,
                f"graph {graph.name}: expected a role of "
                f"{', '.join(bundle_check.ROLES)} and no negative MACs, found "
                f"{graph.role!r:.80} and {graph.macs}")
    for where, timed in (("the full path", profile.full_path), *(
            (f"graph {graph.name}", graph) for graph in profile.graphs)):
        for name in ("median_ms", "p95_ms", "mean_ms", "count"):
            value = getattr(timed, name)
            require(0 < value < float("inf"), f"{where}: expected a finite "
                    f"{name} above 0, found {value}")
        require(timed.median_ms <= timed.p95_ms, f"{where}: expected a p95_ms "
                f"of at least its median_ms {timed.median_ms}, found "
                f"{timed.p95_ms}")
    mistake = profile.energy and energy_lib.check(profile.energy)
    require(not mistake, mistake)


def _check_bundle(path, profile, bundle):
    """Raises ProfileError unless `profile` was measured on `bundle`."""
    roles = {graph.name: graph.role for graph in profile.graphs}
    for name in sorted(bundle.manifest.plan.graph_names):
        graph = bundle.graphs[name]
        if roles.get(name) != graph.role:
            raise errors.ProfileError(
                f"{path}: expected the graph {name} of role {graph.role} of "
                f"{bundle.folder}, found {roles.get(name, 'none')}. "
                f"{_AGAIN}")
    if profile.bundle.checksum != bundle.checksum:
        raise errors.ProfileError(
            f"{path}: expected a profile of {bundle.folder} (checksum "
            f"{bundle.checksum[:12]}...), found one of {profile.bundle.name} "
            f"({profile.bundle.checksum[:12]}...). {_AGAIN}")


if __name__ == "__main__":
    from absl import flags

    from device import profile_command
    flags.adopt_module_key_flags(profile_command)  # `--help` lists them
    profile_command.start()
