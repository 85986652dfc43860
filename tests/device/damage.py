"""Damage: bytes changed, cut or put in, JSON values replaced, odd files.

Every function takes a `random.Random` and leaves what it is given unchanged.
"""

import copy
import os
import socket

# What a program that reads numbers and names may stumble over.
VALUES = (
    None, True, False, 0, 1, -1, 2**31, 2**63, -2**63, 10**400, -10**400,
    0.5, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"),
    float("-inf"), "", "1", "\0", "two\nlines", "\x1b[2J", "\ud800", "\u202e",
    "../stem", "/etc/passwd", "x" * 10_000, [], {}, [[]], [None], {"": None},
    list(range(3000)), [0] * 3000)

# Every one stands where a file should be.
ODD_FILES = {
    "missing": lambda path: None,
    "empty": lambda path: path.touch(),
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "socket": lambda path: _socket(path),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "nothing": lambda path: path.symlink_to("/dev/null"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "dangling": lambda path: path.symlink_to(path.with_name("gone")),
    "circle": lambda path: path.symlink_to(path),
    "huge": lambda path: _sparse(path, 1 << 36),
}


def flip(random, content):
    """1 to 4 bytes changed."""
    content = bytearray(content)
    for _ in range(random.randint(1, 4)):
        content[random.randrange(len(content))] ^= random.randint(1, 255)
    return bytes(content)


def cut(random, content):
    """Only the beginning."""
    return content[:random.randrange(len(content))]


def splice(random, content):
    """A piece of it left out, doubled, put elsewhere or replaced by noise."""
    start = random.randrange(len(content))
    end = min(start + random.choice((1, 2, 8, 64, 1024)), len(content))
    piece, rest = content[start:end], content[:start] + content[end:]
    place = random.randrange(len(rest) + 1)
    return random.choice((
        rest, content[:end] + content[start:], rest[:place] + piece
        + rest[place:], content[:start] + random.randbytes(end - start)
        + content[end:]))


def any_bytes(random, content):
    """One of the above."""
    return random.choice((flip, cut, splice))(random, content)


def values(random, root):
    """JSON values with 1 to 3 changes, anywhere.

    Args:
        root: a dict or list of the json module.
    """
    root = copy.deepcopy(root)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        container, key = _place(random, root)
        if container:
            random.choice(_CHANGES)(random, root, container, key)
    return root


def place_odd_file(random, path):
    """Puts something else in the place of a file; returns what."""
    kind = random.choice(sorted(ODD_FILES))
    path.unlink()
    ODD_FILES[kind](path)
    return kind


def _place(random, root):
    """(container, key) of a value, by a walk from the root."""
    container = root
    while container:
        key = random.choice(_keys(container))
        child = container[key]
        if not isinstance(child, (dict, list)) or not child or (
                random.random() < 0.25):
            return container, key
        container = child
    return container, None


def _keys(container):
    return (list(container) if isinstance(container, dict)
            else range(len(container)))


def _replace(random, root, container, key):
    # A copy: a later change must not reach the table.
    container[key] = copy.deepcopy(random.choice(VALUES))


def _nudge(random, root, container, key):
    value = container[key]
    if type(value) in (int, float):
        container[key] = random.choice(
            (value + 1, value - 1, -value, value * 2, f"{value}"))
    else:
        _replace(random, root, container, key)


def _remove(random, root, container, key):
    del container[key]


def _repeat(random, root, container, key):
    if isinstance(container, list):
        container.insert(key, copy.deepcopy(container[key]))
    else:
        container[f"{key}2"] = container[key]


def _swap(random, root, container, key):
    other = random.choice(_keys(container))
    container[key], container[other] = container[other], container[key]


def _copy_from_elsewhere(random, root, container, key):
    source, other = _place(random, root)
    if other is not None:
        container[key] = copy.deepcopy(source[other])


def _shuffle(random, root, container, key):
    value = container[key]
    if isinstance(value, list):
        random.shuffle(value)
    else:
        _copy_from_elsewhere(random, root, container, key)


def _rename(random, root, container, key):
    if isinstance(container, dict):
        container[random.choice(("", "x", "\ud800", key + " "))] = (
            container.pop(key))


_CHANGES = (_replace, _replace, _replace, _nudge, _remove, _repeat, _swap,
            _copy_from_elsewhere, _copy_from_elsewhere, _shuffle, _rename)


def _socket(path):
    # The name of a socket may be no longer than 107 bytes; its folder may be.
    here = os.open(path.parent, os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


def _sparse(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
