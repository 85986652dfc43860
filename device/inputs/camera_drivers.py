"""The libraries that read cameras: picamera2 and OpenCV, neither required.

    camera                        the first one, by whichever is installed
    camera:1                      the second one
    camera:picamera2              a camera on the Raspberry Pi's ribbon cable
    camera:opencv:/dev/video2     a USB camera (or a URL that OpenCV opens)
"""

import functools
import importlib
import importlib.util

from device import errors

_SETTLING = 10  # frames, until exposure and white balance have found themselves
_SMALLEST = 480  # pixels of height; cameras that go lower crop their view
_WAIT_S = 10.0  # for one frame, so that a camera that hangs can be closed


class Picamera2:
    """A camera of the Raspberry Pi, through libcamera.

    https://datasheets.raspberrypi.com/camera/picamera2-manual.pdf

    Args:
        device: its number, from 0.
        height: pixels, at least.
    """

    module = "picamera2"
    remedy = ("Install it with `sudo apt install python3-picamera2`, into an "
              "environment made with `python3 -m venv --system-site-packages`")

    def __init__(self, device, height):
        library = importlib.import_module(self.module)
        self._camera = library.Picamera2(device)
        try:
            # BGR888 is the name of what lies in memory as R, G, B. Without a
            # queue a frame is never older than the question.
            self._camera.configure(self._camera.create_video_configuration(
                main={"size": (2 * round(height * 2 / 3), height),
                      "format": "BGR888"}, queue=False))
            self._camera.start()
            for _ in range(_SETTLING):
                self.read()
        except BaseException:
            self._camera.close()
            raise

    def read(self):
        """[H, W, 3] uint8, RGB."""
        return self._camera.capture_array("main", wait=_WAIT_S)

    def close(self):
        self._camera.close()


class OpenCv:
    """A camera that OpenCV opens: USB cameras, by number, path or URL."""

    module = "cv2"
    remedy = "Install it with `pip install \"ddi-tf[camera]\"`"

    def __init__(self, device, height):
        library = importlib.import_module(self.module)
        self._camera = library.VideoCapture(device)
        try:
            self._camera.set(library.CAP_PROP_FRAME_HEIGHT, height)
            self._camera.set(library.CAP_PROP_FRAME_WIDTH, height * 4 // 3)
            # One buffer: what waits in it is the only stale frame.
            self._camera.set(library.CAP_PROP_BUFFERSIZE, 1)
            for _ in range(_SETTLING):
                self.read()
        except BaseException:
            self._camera.release()
            raise

    def read(self):
        """[H, W, 3] uint8, RGB; the frame that waited is thrown away."""
        self._camera.grab()
        found, frame = self._camera.read()
        if not found:
            raise OSError("it is not there, or in use by another program")
        return frame[:, :, ::-1]

    def close(self):
        self._camera.release()


_DRIVERS = {"picamera2": Picamera2, "opencv": OpenCv}


def opener(text, shape):
    """What opens the camera that a text names.

    Args:
        text: "camera", and what follows it.
        shape: (height, width, 3) that is needed.

    Returns:
        A callable for `camera.Camera`.

    Raises:
        InputError: not such a text, or the library is missing.
    """
    _, *parts = text.split(":", 2)
    driver = _DRIVERS[parts.pop(0)] if parts and parts[0] in _DRIVERS else None
    device = ":".join(parts) or "0"
    if driver is None and not device.isdecimal():
        raise errors.InputError(
            f"{text}: expected camera, camera:NUMBER, camera:picamera2:NUMBER "
            "or camera:opencv:NUMBER_OR_PATH. Give one of these.")
    if driver is None:
        driver = _installed()
    _require(driver)
    return functools.partial(
        driver, int(device) if device.isdecimal() else device,
        max(_SMALLEST, *shape[:2]))


def _installed():
    """The first driver whose library is there."""
    for driver in _DRIVERS.values():
        if importlib.util.find_spec(driver.module) is not None:
            return driver
    raise errors.InputError("; ".join(
        f"a camera needs {driver.module}, which is not installed. "
        f"{driver.remedy}" for driver in _DRIVERS.values()))


def _require(driver):
    try:
        importlib.import_module(driver.module)
    except ImportError as error:
        raise errors.InputError(
            f"a camera needs {driver.module}, which cannot be imported "
            f"({error}). {driver.remedy}.") from None
