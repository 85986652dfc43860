"""From run folders to a page on the disk."""

import pathlib

from ddi_tf import errors
from ddi_tf import progress
from ddi_tf.report import groups as groups_lib
from ddi_tf.report import page
from ddi_tf.report import sections as sections_lib
from ddi_tf.report import source
from ddi_tf.report import tables


def report(folders, output, best=False, profile=None):
    """Writes the page about runs, and its figures beside it.

    Args:
        folders: of runs, with traces of tune and test.
        output: path of the page.
        best, profile: as for `source.load`.

    Raises:
        ConfigError: `output` is a folder, or the runs cannot be compared.
        TracesError: traces are missing or damaged.
        StorageError: the folder is full or not writable.
    """
    output = pathlib.Path(output)
    if output.is_dir():
        raise errors.ConfigError(
            f"--output={output} is a folder. Give the path of a file, such as "
            f"{output / 'report.html'}.")
    runs = source.load(folders, best, profile)
    # Before the work, not after it.
    page.make_folder(page.files_folder(output))
    with progress.bar("searching", groups_lib.searches(runs)) as step:
        groups = groups_lib.measure(runs, step)
    with progress.bar("drawing", len(sections_lib.ALL)) as step:
        sections = sections_lib.make(groups, step)
    page.write(output, page.html(
        _title(groups), tables.takeaway(groups), sections), sections)


def _title(groups):
    if len(groups) == 1:
        return f"Dual dynamic inference: {groups[0].name}"
    runs = sum(len(group.runs) for group in groups)
    data_name = groups[0].about.settings["data"]["name"]
    return f"Dual dynamic inference on {data_name}: {runs} runs"
