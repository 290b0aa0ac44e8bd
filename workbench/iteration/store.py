"""The SQLite file behind ``Feedback``: one row a decision, written at once, never changed, safe for several kernels.

Every operation opens the file anew and closes it, in write-ahead mode with full synchronisation: what was acknowledged is on
the disk, and a process that is killed in the middle of a write leaves the file as it was before. A decision is taken back
by another row (``retracts``), so that nothing is ever lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BadFile

SCHEMA = 1
APPLICATION = 0x57424642  # "WBFB": tells this file from any other database
PATIENCE = 60  # seconds to wait for another writer
COLUMNS = {
    "uid": "TEXT NOT NULL UNIQUE",
    "at": "TEXT NOT NULL",
    "reviewer": "TEXT NOT NULL",
    "data": "TEXT",
    "row_id": "INTEGER NOT NULL",
    "kind": "TEXT NOT NULL",
    "mask": "BLOB",
    "shape": "TEXT",
    "prediction": "TEXT",
    "answer": "TEXT",
    "understandable": "INTEGER",
    "matches": "INTEGER",
    "comment": "TEXT",
    "method": "TEXT",
    "target": "INTEGER",
    "model": "TEXT",
    "explanation": "TEXT",
    "retracts": "TEXT",
}


class Store:
    """A database of decisions.

    Parameters
    ----------
    path
        Of the file; it is made when it is not there.

    Raises
    ------
    BadFile
        Damaged, of another program, or of a newer version: it is left as it is.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise self._refused(f"cannot be made ({problem.strerror})", "Choose another path") from problem
        with self._open() as connection:
            self._check(connection)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give a connection, in which a transaction is whole or not there."""
        connection = None
        try:
            connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
            connection.row_factory = sqlite3.Row
            yield connection
        except sqlite3.Error as problem:
            damaged = "malformed" in str(problem) or "not a database" in str(problem)
            what = f"is damaged ({problem})" if damaged else f"cannot be used ({problem})"
            raise self._refused(what, "Restore it from a copy; nothing was written") from problem
        finally:
            if connection is not None:
                connection.close()

    def _check(self, connection: sqlite3.Connection) -> None:
        """Make a new file's tables; refuse a file that is another program's, damaged or newer."""
        empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        application, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if empty and not application and not version:
            self._make(connection)
            return
        if application != APPLICATION:
            raise self._refused("is a database of another program", "Choose another path")
        if version > SCHEMA:
            raise self._refused(
                f"was written by a newer workbench (version {version}, this one knows {SCHEMA})",
                "Update the workbench",
            )
        found = connection.execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok":
            raise self._refused(f"is damaged ({found})", "Restore it from a copy; nothing was written")

    def _make(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"CREATE TABLE IF NOT EXISTS decisions (id INTEGER PRIMARY KEY, {columns})")
        connection.execute("CREATE INDEX IF NOT EXISTS by_row ON decisions (row_id)")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")

    def append(self, rows: Sequence[dict[str, Any]]) -> int:
        """Write decisions, all of them or none; return how many were new (a ``uid`` that is there already is not)."""
        names = ", ".join(COLUMNS)
        places = ", ".join(f":{name}" for name in COLUMNS)
        with self._open() as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            before = connection.total_changes
            connection.executemany(f"INSERT OR IGNORE INTO decisions ({names}) VALUES ({places})", rows)
            new = connection.total_changes - before
            connection.execute("COMMIT")
        return new

    def rows(self, everything: bool = False) -> list[dict[str, Any]]:
        """Return the decisions in the order in which they were written, those taken back only if asked for."""
        standing = "" if everything else (
            " WHERE retracts IS NULL AND uid NOT IN (SELECT retracts FROM decisions WHERE retracts IS NOT NULL)")  # fmt: skip
        with self._open() as connection:
            return [dict(row) for row in connection.execute(f"SELECT * FROM decisions{standing} ORDER BY id")]

    def _refused(self, what: str, todo: str) -> BadFile:
        return BadFile(f"{self.path} {what}", f"a feedback database, version {SCHEMA} or older", todo)
