"""device.inputs.camera and its drivers: a camera that dies and returns."""

import itertools
import sys
import threading
import time
import types
from unittest import mock

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import errors
from device.inputs import camera
from device.inputs import camera_drivers
from device.inputs import waiting
import pictures
import scripted

SHAPE = (4, 4, 3)


def _let_go():
    """What a second of waiting does: cameras that were given up are closed."""
    for thread in threading.enumerate():
        if getattr(thread, "finished", False):
            thread.join(timeout=0.05)
    time.sleep(0.01)  # a thread may leave that list before it has ended


class FakeDriver:
    """A camera that gives what a script says, each frame another one.

    Args:
        script: per `read` "frame", "frozen" (the last one again), an array, an
            exception, or a callable; frames when it is over.
    """

    def __init__(self, *script):
        self._script, self._numbers = list(script), itertools.count()
        self._last, self.closed = None, False

    def read(self):
        step = self._script.pop(0) if self._script else "frame"
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step()
        if isinstance(step, np.ndarray):
            return step
        if step != "frozen" or self._last is None:
            self._last = pictures.noise(6, 8, next(self._numbers))
        return self._last.copy()

    def close(self):
        self.closed = True


class CameraTest(absltest.TestCase):

    def setUp(self):
        super().setUp()
        self.now_s, self.warnings, self.opened = 0.0, [], []

    def camera(self, *openings, waits=1000, **options):
        """A camera, and its waiter.

        Args:
            openings: what every attempt at opening gives, a driver or an
                exception.
            waits: after which it stops.
            options: of `camera.Camera`.
        """
        openings = list(openings)

        def open_():
            driver = openings.pop(0)
            if isinstance(driver, Exception):
                raise driver
            self.opened.append(driver)
            return driver

        waiter = scripted.Waiter(*waits * [_let_go])
        with scripted.waits(waiter):
            source = camera.Camera(
                open_, SHAPE, **{"clock": lambda: self.now_s,
                                 "warn": self.warnings.append, **options})
        self.addCleanup(source.close)
        return source, waiter

    def take(self, source, count):
        """The first items."""
        return list(itertools.islice(source, count))

    def assert_warned_once(self, reason):
        message, = self.warnings
        self.assertRegex(message, rf"camera: gone \({reason}\)\. Tries to open")

    def backoffs(self, waiter):
        return [seconds for seconds in waiter.waits if seconds > 0]


class FramesTest(CameraTest):

    def test_frames_are_cropped_in_the_middle_and_scaled(self):
        frame = np.zeros([8, 12, 3], np.uint8)
        frame[:, 2:10] = [200, 100, 50]      # the middle is square
        frame[:4, 2:10, 0] = 100             # red: 100 above, 200 below
        source, _ = self.camera(FakeDriver(frame))
        item, = self.take(source, 1)
        self.assertEqual((item.name, item.label), ("camera[0]", None))
        self.assertEqual((item.image.shape, item.image.dtype),
                         (SHAPE, np.uint8))
        self.assertEqual(item.image[0, 1].tolist(), [100, 100, 50])
        self.assertEqual(item.image[3, 2].tolist(), [200, 100, 50])
        # Squeezed in place of cropped, half of it would be black.
        self.assertGreater(item.image[0, 0, 0], 80)
        self.assertIsNone(source.total)

    def test_names_count(self):
        source, _ = self.camera(FakeDriver())
        self.assertEqual([item.name for item in self.take(source, 3)],
                         ["camera[0]", "camera[1]", "camera[2]"])

    def test_frames_per_second_are_kept_to(self):
        source, waiter = self.camera(FakeDriver(), fps=4)
        self.take(source, 3)
        self.assertEqual(waiter.waits, [0.0, 0.25, 0.5])  # the clock stands

    def test_time_lost_is_not_made_up(self):
        source, waiter = self.camera(FakeDriver(), fps=4)
        for _ in source:
            self.now_s += 10
            if self.now_s == 30:
                break
        self.assertEqual(waiter.waits, [0.0, 0.25 - 10, 0.0 - 10])

    def test_closing_closes_the_camera(self):
        driver = FakeDriver()
        source, _ = self.camera(driver)
        self.take(source, 1)
        source.close()
        source.close()
        self.assertTrue(driver.closed)

    def test_closing_before_the_first_frame_is_fine(self):
        self.camera(FakeDriver())[0].close()
        self.assertEmpty(self.opened)


class GoneTest(CameraTest):

    def test_a_camera_that_dies_is_opened_again(self):
        source, waiter = self.camera(
            FakeDriver("frame", OSError("unplugged")),
            OSError("no device"), OSError("no device"), FakeDriver())
        self.assertEqual([item.name for item in self.take(source, 3)],
                         ["camera[0]", "camera[1]", "camera[2]"])
        self.assert_warned_once("unplugged")
        self.assertEqual(self.backoffs(waiter), [1, 2, 4])
        self.assertTrue(self.opened[0].closed)

    def test_attempts_become_rare_but_never_end(self):
        source, waiter = self.camera(*9 * [OSError("none")], FakeDriver())
        self.assertLen(self.take(source, 1), 1)
        self.assertEqual(self.backoffs(waiter),
                         [1, 2, 4, 8, 16, 32, 60, 60, 60])
        self.assert_warned_once("none")

    def test_a_camera_that_was_well_again_is_warned_of_again(self):
        source, waiter = self.camera(
            OSError("first"), FakeDriver("frame", OSError("second")),
            FakeDriver("frame"))
        self.take(source, 2)
        self.assertLen(self.warnings, 2)
        self.assertEqual(self.backoffs(waiter), [1, 1])

    def test_whatever_a_driver_raises_is_survived(self):
        source, _ = self.camera(
            FakeDriver(ZeroDivisionError()), RuntimeError("libcamera"),
            FakeDriver(np.zeros([4, 4], np.uint8)),
            FakeDriver(np.zeros([4, 4, 3], np.float32)), FakeDriver())
        self.assertLen(self.take(source, 1), 1)
        self.assert_warned_once("ZeroDivisionError")

    def test_frozen_frames_are_noticed(self):
        source, waiter = self.camera(
            FakeDriver("frame", *10 * ["frozen"]), FakeDriver("frame"),
            frozen_s=30)
        taken = []
        for item in source:
            taken.append(item)
            self.now_s += 10
            if len(taken) == 4:
                break
        # Frames at 0, 10 and 20 s; that of 30 s is refused; then another one.
        np.testing.assert_array_equal(taken[0].image, taken[2].image)
        self.assert_warned_once("the same frame for 30 s")
        self.assertEqual(self.backoffs(waiter), [1])
        self.assertLen(self.opened, 2)

    def test_a_camera_that_freezes_ever_again_is_one_warning(self):
        black = np.zeros([4, 4, 3], np.uint8)  # a cap on its lens
        source, waiter = self.camera(
            *[FakeDriver(*5 * [black]) for _ in range(3)], waits=12,
            frozen_s=20)
        for _ in source:
            self.now_s += 10
        self.assert_warned_once("the same frame for 20 s")
        self.assertEqual(self.backoffs(waiter)[:2], [1, 2])

    def test_a_camera_that_hangs_is_noticed_and_not_opened_twice(self):
        release = threading.Event()
        self.addCleanup(release.set)
        source, _ = self.camera(
            FakeDriver("frame", release.wait), FakeDriver(), stall_s=0.5,
            clock=time.monotonic, warn=lambda message: (
                self.warnings.append(message),
                threading.Timer(0.1, release.set).start()))
        self.assertEqual([item.name for item in self.take(source, 2)],
                         ["camera[0]", "camera[1]"])
        self.assert_warned_once("no frame for 0.5 s")
        self.assertLen(self.opened, 2)

    def test_stopping_ends_the_wait_for_a_frame(self):
        release = threading.Event()
        self.addCleanup(release.set)
        source, _ = self.camera(
            FakeDriver("frame", lambda: (source.stop(), release.wait())))
        self.assertLen(list(source), 1)
        release.set()


class IdleTest(absltest.TestCase):

    def test_there_is_idle_time_while_a_frame_is_waited_for(self):
        release = threading.Event()
        with mock.patch.object(waiting, "IDLE_S", 0.01), camera.Camera(
                lambda: FakeDriver(release.wait), SHAPE) as source:
            source.when_idle(release.set)
            self.assertEqual(next(iter(source)).name, "camera[0]")


class FakeCv2:
    """What the driver needs of cv2: frames of blue pixels, BGR."""

    CAP_PROP_FRAME_HEIGHT, CAP_PROP_FRAME_WIDTH, CAP_PROP_BUFFERSIZE = 4, 3, 38

    def __init__(self, present=True):
        self.present, self.calls = present, []

    def VideoCapture(self, device):
        self.calls.append(("open", device))
        return self

    def set(self, name, value):
        self.calls.append((name, value))

    def grab(self):
        self.calls.append("grab")

    def read(self):
        self.calls.append("read")
        if not self.present:
            return False, None
        return True, np.full([2, 2, 3], [255, 0, 0], np.uint8)

    def release(self):
        self.calls.append("release")


class FakePicamera2:
    """What the driver needs of picamera2."""

    def __init__(self):
        self.camera = mock.Mock()
        self.Picamera2 = mock.Mock(return_value=self.camera)


class DriversTest(parameterized.TestCase):

    def with_(self, **modules):
        """Only these camera libraries are installed."""
        fakes = {"cv2": None, "picamera2": None, **modules}
        self.enter_context(mock.patch.dict(sys.modules, {
            name: fake for name, fake in fakes.items()}))
        self.enter_context(mock.patch.object(
            camera_drivers.importlib.util, "find_spec",
            lambda name: fakes[name] and types.SimpleNamespace()))

    def test_opencv_gives_fresh_rgb(self):
        cv2 = FakeCv2()
        self.with_(cv2=cv2)
        driver = camera_drivers.opener("camera:opencv:/dev/video2", SHAPE)()
        self.assertEqual(cv2.calls[:4], [
            ("open", "/dev/video2"), (4, 480), (3, 640), (38, 1)])
        del cv2.calls[:]
        self.assertEqual(driver.read()[0, 0].tolist(), [0, 0, 255])
        driver.close()
        self.assertEqual(cv2.calls, ["grab", "read", "release"])

    def test_an_opencv_camera_that_is_not_there_is_released(self):
        cv2 = FakeCv2(present=False)
        self.with_(cv2=cv2)
        with self.assertRaisesRegex(OSError, "not there, or in use by another"):
            camera_drivers.opener("camera:opencv", SHAPE)()
        self.assertEqual(cv2.calls[-1], "release")

    def test_picamera2_is_asked_for_rgb_without_a_queue(self):
        picamera2 = FakePicamera2()
        self.with_(picamera2=picamera2)
        driver = camera_drivers.opener("camera:picamera2:1", (600, 600, 3))()
        picamera2.Picamera2.assert_called_once_with(1)
        picamera2.camera.create_video_configuration.assert_called_once_with(
            main={"size": (800, 600), "format": "BGR888"}, queue=False)
        self.assertIs(driver.read(),
                      picamera2.camera.capture_array.return_value)
        driver.close()
        picamera2.camera.close.assert_called_once_with()

    def test_a_picamera2_that_does_not_start_is_closed(self):
        picamera2 = FakePicamera2()
        picamera2.camera.start.side_effect = RuntimeError("busy")
        self.with_(picamera2=picamera2)
        with self.assertRaisesRegex(RuntimeError, "busy"):
            camera_drivers.opener("camera:picamera2", SHAPE)()
        picamera2.camera.close.assert_called_once_with()

    @parameterized.parameters(
        ("camera", camera_drivers.Picamera2, 0),
        ("camera:1", camera_drivers.Picamera2, 1),
        ("camera:opencv", camera_drivers.OpenCv, 0),
        ("camera:opencv:3", camera_drivers.OpenCv, 3),
        ("camera:opencv:rtsp://a:1/b", camera_drivers.OpenCv, "rtsp://a:1/b"))
    def test_a_text_names_driver_and_device(self, text, driver, device):
        self.with_(cv2=FakeCv2(), picamera2=FakePicamera2())
        found = camera_drivers.opener(text, SHAPE)
        self.assertEqual((found.func, found.args), (driver, (device, 480)))

    def test_without_picamera2_it_is_opencv(self):
        self.with_(cv2=FakeCv2())
        self.assertIs(camera_drivers.opener("camera", SHAPE).func,
                      camera_drivers.OpenCv)

    @parameterized.parameters(
        ("camera", r"needs picamera2, .*apt install.*needs cv2, .*pip install"),
        ("camera:0", r"needs picamera2, .*apt install.*needs cv2, .*pip inst"),
        ("camera:opencv", r"needs cv2, which cannot be imported .*pip install "
         r"\"ddi-tf\[camera\]\""),
        ("camera:picamera2", r"needs picamera2, which cannot .*sudo apt inst"),
        ("camera:/dev/video0", r"expected camera, camera:NUMBER.*Give one"),
        ("camera:x:0", r"camera:x:0: expected camera, camera:NUMBER"))
    def test_what_is_missing_or_wrong_is_said(self, text, message):
        self.with_()
        with self.assertRaisesRegex(errors.InputError, message):
            camera_drivers.opener(text, SHAPE)


if __name__ == "__main__":
    absltest.main()
