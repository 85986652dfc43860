"""How many images come, and what they should draw from a battery."""

import dataclasses
import math

_S_PER_HOUR = 3600.0
_J_PER_MJ = _S_PER_MS = 1e-3

# Seconds over which the present is averaged.
_PRESENT_S = 3600.0

# Images whose time says what a modelled joule is, where nothing was measured.
_TIMED = 200


@dataclasses.dataclass(frozen=True)
class Memory:
    """What the first images told of a modelled joule."""

    images: int
    seconds: float
    modelled_mj: float


class Workload:
    """Counts images, and what they are believed to draw.

    Args:
        task: `task.Task`.
    """

    def __init__(self, task):
        self._task = task
        self._images, self._mj = 0, 0.0  # since `take`
        self._recent_images = self._recent_mj = self._recent_s = 0.0
        self._timed = Memory(0, 0.0, 0.0)

    def add(self, answer):
        """One more `answers.Answer`."""
        self._images += 1
        self._mj += answer.energy_mj
        timed = self._timed
        if timed.images < _TIMED and self._task.energy_scale is None:
            self._timed = Memory(
                timed.images + 1, timed.seconds + answer.latency_ms * _S_PER_MS,
                timed.modelled_mj + answer.energy_mj)

    def take(self, seconds):
        """Joules believed drawn since the last call, `seconds` ago."""
        images, mj = self._images, self._mj
        self._images, self._mj = 0, 0.0
        kept = math.exp(-seconds / _PRESENT_S)
        self._recent_images = kept * self._recent_images + images
        self._recent_mj = kept * self._recent_mj + mj
        self._recent_s = kept * self._recent_s + seconds
        return self.joules(mj, images)

    def joules(self, modelled_mj, images=1):
        """That images of so much modelled energy are believed to draw."""
        return _J_PER_MJ * (
            self._scale * modelled_mj + self._task.offset_mj * images)

    def modelled_mj(self, joules):
        """Of an image that is believed to draw so much; 0 where none does."""
        spare_mj = joules / _J_PER_MJ - self._task.offset_mj
        return spare_mj / self._scale if spare_mj > 0 < self._scale else 0.0

    @property
    def known(self):
        """Whether it is known what images draw and how many come."""
        return self._scale > 0 and self.images_per_s > 0

    @property
    def images_per_s(self):
        """That are to be expected; 0 as long as none came."""
        if self._task.frames_per_hour is not None:
            return self._task.frames_per_hour / _S_PER_HOUR
        return self._recent_images / self._recent_s if self._recent_s else 0.0

    @property
    def image_j(self):
        """Joules that an image is believed to draw at present."""
        if not self._recent_images:
            return 0.0
        return self.joules(self._recent_mj / self._recent_images)

    @property
    def _scale(self):
        """Joules per modelled joule; 0 as long as nothing tells."""
        if self._task.energy_scale is not None:
            return self._task.energy_scale
        if not self._timed.modelled_mj:
            return 0.0
        return (self._task.active_w * self._timed.seconds
                / (_J_PER_MJ * self._timed.modelled_mj))

    def memory(self):
        """The `Memory` that should survive a restart."""
        return self._timed

    def recall(self, memory):
        """Takes up a `Memory`; nonsense is ignored."""
        if 0 < memory.images <= _TIMED and (
                memory.seconds > 0 and memory.modelled_mj > 0):
            self._timed = memory
