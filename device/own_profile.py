"""This machine's profile of a bundle: where it lies, and whether it fits.

It lies beside the bundle's folder, `bundles/quick.profile.HOSTNAME.json` for
`bundles/quick`: not in it, since what was exported stays as it was.
"""

import glob
import pathlib
import platform
import re
from typing import NamedTuple

from device import errors
from device import machine
from device import profile as profile_lib

# A host's name is much shorter (RFC 1035: 63 to a dot).
_LONGEST = 100


class Found(NamedTuple):
    """A profile, and what speaks against it without forbidding it."""

    path: pathlib.Path
    profile: profile_lib.Profile
    warnings: tuple  # of sentences


def path(bundle):
    """Where this machine's profile of a `bundle.Bundle` lies, or will."""
    # Other characters than these would need care in a shell, or a folder.
    host = re.sub(r"[^A-Za-z0-9._-]", "-", platform.node())[:_LONGEST]
    return _beside(bundle, host or "machine")


def find(bundle):
    """Paths of the profiles that lie beside a bundle, this host's first."""
    own = path(bundle)
    pattern = _beside(bundle, "*", glob.escape)
    return sorted(map(pathlib.Path, glob.glob(str(pattern))),
                  key=lambda found: (found != own, found))


def for_budgets(bundle, file=None, *, threads, forced=False):
    """The `Found` profile of this machine for a bundle.

    Another host's name alone is only a warning: names change with the network,
    and machines of one model are much alike.

    Args:
        bundle: `bundle.Bundle`.
        file: path of the profile; None: the first beside the bundle that fits.
        threads: of the interpreter in use.
        forced: another machine, interpreter or number of threads is only a
            warning too.

    Raises:
        ProfileError: there is none; or it is damaged, or of another bundle,
            which nothing forces; or it does not fit.
    """
    files = find(bundle) if file is None else [pathlib.Path(file)]
    if not files:
        raise errors.ProfileError(
            f"{path(bundle)}: no such file, so how long the graphs of "
            f"{bundle.folder} take here is not known. Measure it: `python -m "
            f"device.profile --bundle={bundle.folder}`.")
    refused = []
    for each in files:
        try:
            return _fitting(each, bundle, threads, forced)
        except errors.ProfileError as error:
            refused.append(error)
    raise refused[0]


def _beside(bundle, host, escape=str):
    folder = bundle.folder.resolve()
    return pathlib.Path(escape(str(folder.parent)),
                        f"{escape(folder.name)}.profile.{host}.json")


def _fitting(file, bundle, threads, forced):
    """The `Found` in one file. Raises ProfileError."""
    profile = profile_lib.load(file, bundle)
    here = machine.describe()
    differences = "; ".join(_differences(profile, here, threads))
    if differences and not forced:
        raise errors.ProfileError(
            f"{file}: {differences}. Measure again here: `python -m "
            f"device.profile --bundle={bundle.folder} --threads={threads}`; or "
            "use it all the same with --force_profile.")
    warnings = []
    if differences:
        warnings.append(f"{file} does not fit: {differences}")
    elif profile.machine.hostname != here.hostname:
        warnings.append(
            f"{file} was measured on {profile.machine.hostname}, this is "
            f"{here.hostname}: the same model, but maybe another machine")
    return Found(file, profile, tuple(warnings))


def _differences(profile, here, threads):
    """What is not as it was when `profile` was measured: clauses."""
    then, interpreter = profile.machine, machine.interpreter()
    was = profile.interpreter
    for name, found, expected in (
            ("model", then.model, here.model),
            ("architecture", then.architecture, here.architecture),
            ("cores in use", then.cores, here.cores),
            ("interpreter", f"{was.name} {was.version}",
             f"{interpreter.name} {interpreter.version}"),
            ("threads", profile.threads, threads)):
        if found != expected:
            yield f"{name}: expected {expected}, found {found}"
