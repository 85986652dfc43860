"""Numbers, and where they come from, in words."""

import re

import numpy as np

FLOPS_PER_MAC = 2  # the paper's convention


def megaflops(macs):
    """MFLOPs of MACs."""
    return FLOPS_PER_MAC * macs / 1e6


def percent(share, digits=1):
    """ "93.1%"."""
    return f"{100 * share:.{digits}f}%"


def spread(values, digits=1):
    """ "93.1", or of several seeds "93.1 ± 0.2": mean and sample deviation.

    "–" where any is nan.
    """
    values = np.atleast_1d(values)
    if np.isnan(values).any():
        return "–"
    mean = f"{values.mean():.{digits}f}"
    if np.ptp(values) == 0:
        return mean
    return f"{mean} ± {values.std(ddof=1):.{digits}f}"


def shares(values, digits=1):
    """`spread` of shares, as percentages."""
    text = spread(100 * np.atleast_1d(values), digits)
    return text if text == "–" else f"{text}%"


def without_exits(groups, so):
    """(sentence that names the groups without exits,), or ().

    Args:
        groups: `groups.Group`s.
        so: what follows from it.
    """
    names = [group.name for group in groups if not group.has_exits]
    if not names:
        return ()
    return (f"{listed(names)} {'has' if len(names) == 1 else 'have'} no exits: "
            f"{so}.",)


def origin(groups):
    """ "flops (2 seeds): commit 1a2b, seeds 0, 1. energy: ..."."""
    return " ".join(f"{group.name}: {_commits(group)}, {_seeds(group)}."
                    for group in groups)


def _commits(group):
    found = list(dict.fromkeys(run.about.commit for run in group.runs))
    return f"commit{'s' * (len(found) > 1)} {', '.join(found)}"


def _seeds(group):
    found = [str(run.about.seed) for run in group.runs]
    return f"seed{'s' * (len(found) > 1)} {', '.join(found)}"


def first_seed(group):
    """ " (seed 0)" where a picture shows one of several networks, else ""."""
    return f" (seed {group.about.seed})" if len(group.runs) > 1 else ""


def key(*parts):
    """A file name without suffix: small letters, digits and _."""
    return re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")


def listed(names):
    """ "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
