"""Wrong arguments of `classify`: an error, and the next answer is right."""

import pathlib

import numpy as np

from device import bundle
from device import controller
from device import errors
import damage
import fuzzing

_TESTDATA = pathlib.Path(__file__).parents[1] / "testdata"



class Target:
    """One controller for all cases, as a program that runs for months has it.

    Args:
        root: not used; as other targets have it.
    """

    def __init__(self, root):
        del root
        loaded = bundle.load(_TESTDATA / "digits_resnet8")
        self._controller = controller.Controller(loaded)
        self._thresholds = loaded.operating_point("default").thresholds
        with np.load(_TESTDATA / "digits.npz") as arrays:
            self._image = arrays["images"][0]
        self._expected = self._plain()

    def run(self, kind, random):
        """How a case ended; raises what the code raises, or Finding."""
        image, arguments = KINDS[kind](random, self._image, self._thresholds)
        try:
            answer = self._controller.classify(image, **arguments)
            outcome = "answer"
        except errors.DeviceError as error:
            answer, outcome = None, fuzzing.refused(error)
        except (TypeError, ValueError) as error:  # a mistake of the caller's
            answer, outcome = None, type(error).__name__
        if self._plain() != self._expected:
            raise fuzzing.Finding("the next image is answered otherwise")
        if answer is not None:
            _check(answer, **arguments)
        return outcome

    def _plain(self):
        answer = self._controller.classify(
            self._image, thresholds=self._thresholds)
        return (answer.label, answer.logits.tobytes(), answer.exit, answer.path,
                answer.macs)


def _check(answer, max_macs=None, max_energy_mj=None, **others):
    """Raises Finding for an answer that is none, or passes its budget."""
    if not np.isfinite([answer.entropy, *answer.probabilities]).all():
        raise fuzzing.Finding(f"no answer: {answer}")
    if max_macs is not None and answer.macs > max_macs:
        raise fuzzing.Finding(f"{answer.macs} MACs, allowed {max_macs}")
    if max_energy_mj is not None and answer.energy_mj > max_energy_mj:
        raise fuzzing.Finding(
            f"{answer.energy_mj} mJ, allowed {max_energy_mj}")


def _image(random, image, thresholds):
    """Something that is no image, or an image in another memory layout."""
    return random.choice((
        *damage.VALUES, image[::-1], image[:, ::-1], image.transpose(1, 0, 2),
        np.asfortranarray(image), np.repeat(image, 2, 1)[:, ::2],
        image.view(np.int8), image.astype(np.float32), image.astype(">u2"),
        image.astype(object), np.full(image.shape, np.nan), image[:-1],
        image[..., :1], image[..., [0, 1, 2, 2]], image[np.newaxis],
        image.tolist(), image.tobytes(), np.ma.masked_array(image, image > 9),
        image.view(np.recarray), np.broadcast_to(image[0, 0], image.shape),
        np.empty((0, 32, 3), np.uint8), memoryview(image),
        np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape),
        )), {"thresholds": thresholds}


def _thresholds(random, image, thresholds):
    """As many thresholds as exits or not, of any kind."""
    values = [random.choice((*damage.VALUES, 0.5, np.float32(1), np.nan, 1e9))
              for _ in range(random.choice((3, 3, 3, 3, 2, 4)))]
    return image, {"thresholds": random.choice((
        values, tuple(values), np.full(3, 0.5), iter(values), "0.1",
        random.choice(damage.VALUES)))}


def _budgets(random, image, thresholds):
    """Budgets round the smallest that works, and of any kind."""
    arguments = {
        name: random.choice((*damage.VALUES, random.randint(0, 2_000_000),
                             np.int64(10**7), np.float64(0.5), 1e-3, 1e-12))
        for name in random.sample(
            ("max_macs", "max_energy_mj", "deadline_ms"), random.randint(1, 2))}
    return image, {"thresholds": thresholds, **arguments}


def _forced(random, image, thresholds):
    """Blocks that shall run, as many as there are or not."""
    groups = (*damage.VALUES, (), (0,), (1,), (0, 1), (1, 0), (2,), (-1,),
              (0, 0), (True,), (0.0,), ((),), (np.int64(0),), "0")
    forced = [random.choice(groups)
              for _ in range(random.choice((3, 3, 3, 2, 4)))]
    return image, {"forced": random.choice((
        forced, tuple(forced), random.choice(damage.VALUES)))}


KINDS = {"argument_image": _image, "argument_thresholds": _thresholds,
         "argument_budgets": _budgets, "argument_forced": _forced}
