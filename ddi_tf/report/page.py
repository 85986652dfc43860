"""The page: one HTML file that needs no other, and the figures' own files."""

import base64
import pathlib

import jinja2
import markupsafe

from ddi_tf import storage
from ddi_tf.report import items

_TEMPLATE = "page.html.j2"


def html(title, takeaway, sections):
    """The page as text.

    Args:
        title: of the page.
        takeaway: sentences, the most important one first.
        sections: `items.Section`s.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True)
    environment.filters["base64"] = _base64
    environment.tests["figure"] = lambda item: isinstance(item, items.Figure)
    environment.filters["coded"] = _coded
    environment.filters["kinds"] = _kinds
    return environment.get_template(_TEMPLATE).render(
        title=title, takeaway=takeaway, sections=sections)


def _base64(content):
    data = content.encode() if isinstance(content, str) else content
    return base64.b64encode(data).decode()


def _coded(text):
    """HTML of a text with `commands` in it; a flag is never broken in two."""
    parts = [markupsafe.escape(part) for part in text.split("`")]
    for place in range(1, len(parts), 2):
        words = markupsafe.Markup(" ").join(
            markupsafe.Markup("<span>{}</span>").format(word)
            for word in parts[place].split())
        parts[place] = markupsafe.Markup("<code>{}</code>").format(words)
    return markupsafe.Markup("").join(parts)


def _kinds(table):
    """Class of each column: "number" is set to the right, "text" may fold."""
    columns = zip(*(row for _, rows in table.parts for row in rows))
    return ["number" if all(map(_is_number, column)) else "text"
            for column in columns] or ["text"] * len(table.columns)


def _is_number(text):
    return text[:1].isdigit() or text[:1] in "+-–"


def write(output, text, sections):
    """Writes the page, and each figure and table beside it.

    Args:
        output: path of the page; files go to its stem + "_files".
        text: of `html`.
        sections: `items.Section`s.

    Raises:
        StorageError: the folder is full or not writable.
    """
    folder = files_folder(output)
    make_folder(folder)
    for item in (item for section in sections for item in section.items):
        if isinstance(item, items.Figure):
            storage.write_atomically(folder / f"{item.key}.svg", item.svg)
            storage.write_atomically(folder / f"{item.key}.png", item.png)
        storage.write_atomically(folder / f"{item.key}.csv", item.csv)
    storage.write_atomically(output, text)


def files_folder(output):
    """Where the figures' files go."""
    return pathlib.Path(output).with_name(f"{pathlib.Path(output).stem}_files")


def make_folder(folder):
    """Makes a folder. Raises StorageError."""
    with storage.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
