"""The input that a text on the command line names."""

from absl import logging

from device import errors
from device.inputs import camera
from device.inputs import camera_drivers
from device.inputs import files
from device.inputs import stream
from device.inputs import watched

FORMS = ("a folder of images, one image, or an .npz; - for standard input "
         "(every image after its length, 4 bytes big-endian); watch:FOLDER "
         "for a folder into which images are dropped; camera, camera:NUMBER, "
         "camera:picamera2:NUMBER or camera:opencv:NUMBER_OR_PATH")


def open_input(text, shape, *, fps=None, delete=False, warn=logging.warning):
    """Opens an input.

    Args:
        text: one of FORMS. A folder whose name looks like another form is
            given with its path: ./camera
        shape: (height, width, 3) of the network's images.
        fps: frames per second of a camera at most; None: as fast as it goes.
        delete: remove files of a watched folder when they are answered.
        warn: called with a message when an input is in trouble but goes on.

    Returns:
        `source.Input`.

    Raises:
        InputError, ImageError: it is not there, or is something else.
    """
    kind, _, rest = text.partition(":")
    if text == "-":
        return stream.Stream(shape)
    if kind == "watch":
        if not rest:
            raise errors.InputError(f"{text}: expected watch:FOLDER, found no "
                                    "folder. Give one.")
        return watched.Watched(rest, shape, delete=delete, warn=warn)
    if kind == "camera":
        return camera.Camera(camera_drivers.opener(text, shape), shape,
                             name=text, fps=fps, warn=warn)
    return files.Files(text, shape, warn=warn)
