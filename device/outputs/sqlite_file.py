"""Answers in an SQLite database: the table `answers` of `records.COLUMNS`."""

import contextlib
import os
import sqlite3

from device import errors
from device import whole_file
from device.outputs import records


class SqliteFile:
    """Appends records; a sink of `keeping.Keeping`.

    Every record is a transaction of its own, so a killed process loses none.
    The database is in WAL mode: others can read it meanwhile, and a
    transaction costs a write but no sync, as that is asked for separately.
    https://www.sqlite.org/wal.html

    Args:
        path: of the database; goes on with one that exists.

    Attributes:
        last: the record of the largest number that it held, or None.

    Raises:
        OutputError: there is a file that is something else; no permission.
    """

    def __init__(self, path):
        self._path = whole_file.target(path, errors.OutputError)
        with self._reported():
            # Whoever calls this holds a lock, whichever thread it is.
            self._connection = sqlite3.connect(
                self._path, timeout=1.0, isolation_level=None,
                check_same_thread=False)
            try:
                self.last = self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def append(self, record):
        """Writes a record as a whole or not at all. Raises OutputError."""
        values = records.row(record)
        places = ", ".join("?" * len(values))
        with self._reported():
            # One that was written although an error was told is no second.
            self._connection.execute(
                f"INSERT OR REPLACE INTO answers VALUES ({places})", values)

    def sync(self):
        """Makes what was written survive a power cut. Raises OutputError.

        SQLite finds every transaction that is whole in the log again; the
        log's locks are in another file, so that it may be opened here.
        """
        with self._reported(), contextlib.suppress(FileNotFoundError):
            descriptor = os.open(f"{self._path}-wal", os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def close(self):
        """Puts the log into the database; may be called twice."""
        with self._reported():
            self._connection.close()

    def _prepare(self):
        """Makes or checks the table; returns its last record."""
        connection = self._connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        columns = ", ".join(
            f"{name} {kind}" for name, kind in records.COLUMNS.items())
        connection.execute(f"CREATE TABLE IF NOT EXISTS answers ({columns})")
        found = [name for _, name, *_ in connection.execute(
            "PRAGMA table_info(answers)")]
        if found != list(records.COLUMNS):
            raise errors.OutputError(
                f"{self._path}: expected the columns of this version, found "
                f"{', '.join(found)}. Move it away.")
        row = connection.execute(
            "SELECT * FROM answers ORDER BY number DESC LIMIT 1").fetchone()
        return row and dict(zip(records.COLUMNS, row))

    @contextlib.contextmanager
    def _reported(self):
        """Turns OSError and what SQLite raises into OutputError."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise errors.OutputError(
                f"{self._path}: cannot be written ({error}). Make room, or see "
                "whether its folder is there and yours, and it is a database."
            ) from None
