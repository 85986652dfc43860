"""The zoo's entries as a table."""

import pathlib

from rich import box
from rich.table import Table

from ddi_tf import errors
from ddi_tf import operating_points
from ddi_tf import units
from ddi_tf.zoo import entry as entry_lib

_DEFAULT = f"gated, exits at {operating_points.DEFAULT}"


def table(zoo):
    """A `rich.table.Table` of the entries in a folder, by their cards.

    Raises:
        ZooError: there is no entry, or a card cannot be read.
    """
    paths = sorted(path.parent for path in pathlib.Path(zoo).glob(
        "[!.]*/card.json"))
    if not paths:
        raise errors.ZooError(
            f"{zoo} holds no entries. Run from the repository's root, or give "
            "--zoo=FOLDER.")
    shown = Table(box=box.SIMPLE_HEAD, caption="accuracy and mean MACs on test")
    shown.add_column("name", no_wrap=True)
    shown.add_column("network")
    shown.add_column("data")
    for name in ("in full", "default", "MACs", "of base", "MB", "bundles"):
        shown.add_column(name, justify="right", no_wrap=name != "bundles")
    for path in paths:
        try:
            shown.add_row(*_row(path))
        except (KeyError, TypeError) as error:
            raise errors.ZooError(
                f"{path / 'card.json'} is no card ({error!r:.80}). Restore it "
                "(`git checkout`), or pack the entry again.") from None
    return shown


def _row(path):
    card = entry_lib.Entry(path).json("card.json")
    full, default = (card["points"][name]["test"]
                     for name in ("in full", _DEFAULT))
    return (path.name, card["network"]["name"], card["data"]["name"],
            f"{100 * full['accuracy']:.2f}%",
            f"{100 * default['accuracy']:.2f}%",
            units.in_words(default["mean_macs"], "MACs"),
            f"{100 * default['mean_macs_of_base']:.1f}%",
            f"{entry_lib.size(path) / 1e6:.1f}", ", ".join(card["bundles"]))
