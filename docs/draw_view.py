"""Draws docs/view.svg: a moment of a real `python -m device.run --view`.

    python docs/draw_view.py --bundle=bundles/quick --input=runs/test.npz

The battery is a simulated one; images come at a steady pace.
"""

import fcntl
import io
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time

from absl import app
from absl import flags
from PIL import Image
import numpy as np
from rich.ansi import AnsiDecoder
from rich.console import Console

_BUNDLE = flags.DEFINE_string("bundle", None, "Its folder.", required=True)
_INPUT = flags.DEFINE_string(
    "input", None, "An .npz with `images`.", required=True)
_IMAGES = flags.DEFINE_integer("images", 600, "Images to classify.")
_OUTPUT = flags.DEFINE_string("output", "docs/view.svg", "The picture.")

_ROWS, _COLUMNS = 24, 80
_PAUSE_S = 0.02
_TITLE = "python -m device.run --view   (simulated battery)"
_FLAGS = ("--input=-", "--view", "--power=simulated:idle_w=2.5,charge=0.82",
          "--battery_wh=10", "--runtime_hours=2.85", "--active_w=5",
          "--max_macs=18000000")


def main(argv):
    del argv  # only flags
    with np.load(_INPUT.value) as arrays:
        images = arrays["images"][:_IMAGES.value]
    screens = re.split(r"\x1b\[H", _run(images).partition("\x1b[?25h")[0])
    console = Console(file=io.StringIO(), record=True, width=_COLUMNS,
                      height=_ROWS, force_terminal=True)
    for line in AnsiDecoder().decode(screens[-1].replace("\r", "")):
        console.print(line, no_wrap=True)
    # Without the fonts that would be fetched from elsewhere.
    picture = re.sub(r"@font-face {.*?}\s*", "", console.export_svg(
        title=_TITLE), flags=re.DOTALL)
    pathlib.Path(_OUTPUT.value).write_text(picture, encoding="utf-8")


def _run(images):
    """What the command writes to a terminal, as text."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ,
                struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "device.run", f"--bundle={_BUNDLE.value}",
         *_FLAGS], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=theirs, env={**os.environ, "TERM": "xterm-256color"})
    os.close(theirs)
    threading.Thread(target=_feed, args=(process.stdin, images)).start()
    text = b""
    try:
        while some := os.read(ours, 65536):
            text += some
    except OSError:  # how Linux says that the other side is closed
        pass
    process.wait()
    return text.decode()


def _feed(stream, images):
    """Length-prefixed PNG files, one after the other."""
    with stream:
        for image in images:
            file = io.BytesIO()
            Image.fromarray(image).save(file, "PNG")
            stream.write(struct.pack(">I", file.tell()) + file.getvalue())
            stream.flush()
            time.sleep(_PAUSE_S)


if __name__ == "__main__":
    app.run(main)
