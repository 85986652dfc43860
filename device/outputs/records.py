"""The columns of an answer, where an output has columns."""

import json

# Name -> type in SQL. An image that failed has only the first three and
# `error`.
COLUMNS = {
    "number": "INTEGER PRIMARY KEY",  # runs on across restarts
    "time": "TEXT",          # ISO 8601, UTC
    "image": "TEXT",
    "label": "TEXT",
    "probability": "REAL",
    "exit": "TEXT",
    "entropy": "REAL",       # nats
    "blocks_run": "TEXT",    # JSON: {block: [groups]}
    "macs": "INTEGER",
    "energy_mj": "REAL",     # modelled
    "latency_ms": "REAL",
    "late": "INTEGER",       # 0 or 1
    "operating_point": "TEXT",
    "error": "TEXT",
}


def row(record):
    """The values of a record in the order of COLUMNS; None where it has none.

    Lists and dicts become JSON, True and False 1 and 0; what is no Unicode, in
    the name of a file, is written with backslashes.

    Raises:
        ValueError: the record has a key that is no column.
    """
    if unknown := record.keys() - COLUMNS.keys():
        raise ValueError("a record's keys must be of COLUMNS. Received: "
                         f"{', '.join(sorted(unknown))}")
    return [_flat(record.get(name)) for name in COLUMNS]


def _flat(value):
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
