"""Folders that are written whole or not at all."""

import contextlib
import pathlib
import shutil
import tempfile

from ddi_tf import errors


def check_absent(output):
    """Raises StorageError if there is something at `output`."""
    if pathlib.Path(output).exists():
        raise errors.StorageError(
            f"{output} exists already. Delete it, or give another name.")


@contextlib.contextmanager
def written(output):
    """A folder to fill, which is `output` once the block has ended well.

    Args:
        output: path of the folder, not existing.

    Raises:
        StorageError: `output` exists.
    """
    output = pathlib.Path(output)
    check_absent(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(tempfile.mkdtemp(
        prefix=f".{output.name}.", dir=output.parent))
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp's is for its owner alone
        temporary.rename(output)
    except BaseException:
        shutil.rmtree(temporary)
        raise
