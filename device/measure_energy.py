"""Measures what images cost the battery: idle, then work, in turn.

A cycle has a phase in which the process sleeps, and one for each workload, in
which it classifies without a pause. The draw drifts with temperature and the
battery's voltage; so there are several short cycles, every other one backwards,
and not one long one.
"""

import math
import time

from device import draw
from device import energy
from device import measure
from device.plan import SKIPPED

CYCLES = 6

# Of a phase, for the regulator and the source's own averaging to follow.
_SETTLING_SHARE = 0.2


def measure_energy(controller, images, source, *, seconds, clock=time.monotonic,
                   wait=time.sleep, read_draw=draw.Draw,
                   progress=lambda share: None):
    """The `energy.Energy` of this machine.

    Args:
        controller: `controller.Controller`.
        images: [N, H, W, 3] uint8, of the bundle's input shape; taken in turn.
        source: `power.reading.Source`.
        seconds: for everything.
        clock: callable -> seconds.
        wait: callable (seconds), which does nothing for so long.
        read_draw: callable (source) -> context manager as `draw.Draw` is.
        progress: called between phases with the share that is done, 0 to 1.

    Raises:
        PowerError: the source tells no watts, fails, or charges; or what it
            tells is all noise.
    """
    draw.now_w(source)  # says at once what would be found out after a phase
    workloads = _workloads(controller, images[0])
    phase_s = seconds / CYCLES / (1 + len(workloads))
    phases = _Phases(controller, images, source, phase_s, clock, wait,
                     read_draw)
    names = [None, *workloads]
    cycles = []
    for number in range(CYCLES):
        found = {}
        for name in reversed(names) if number % 2 else names:
            found[name] = (phases.idle() if name is None
                           else phases.work(*workloads[name]))
            progress((number + len(found) / len(names)) / CYCLES)
        cycles.append(energy.Cycle(
            found[None], {name: found[name] for name in workloads}))
    return energy.estimate(source.name, cycles)


def _workloads(controller, image):
    """Name -> (how to classify, modelled mJ of an image); the dearest first.

    A way that costs as much as one before it is left out.
    """
    blocks = controller.blocks
    opened = measure.all_open(controller)
    skipped = [SKIPPED] * len(blocks)
    half = len(blocks) // 2
    # Whatever the entropy, an image leaves at the first exit.
    exits = sum(block.exit is not None for block in blocks)
    found = {}
    for name, way in (
            ("full", {"forced": opened}),
            ("half", {"forced": opened[:half] + skipped[half:]}),
            ("cheapest", {"forced": skipped,
                          "thresholds": [math.inf] * exits})):
        modelled_mj = controller.classify(image, **way).energy_mj
        if modelled_mj not in (known for _, known in found.values()):
            found[name] = way, modelled_mj
    return found


class _Phases:
    """Runs phases of one length, and collects the draw."""

    def __init__(self, controller, images, source, phase_s, clock, wait,
                 read_draw):
        self._controller, self._images = controller, images
        self._source, self._phase_s = source, phase_s
        self._clock, self._wait, self._read_draw = clock, wait, read_draw

    def idle(self):
        """The `energy.Phase` of sleeping."""
        started = self._clock()
        with self._read_draw(self._source) as readings:
            self._wait(self._phase_s)
        return energy.Phase(self._settled(readings, started))

    def work(self, way, modelled_mj):
        """The `energy.Phase` of classifying."""
        started = self._clock()
        count, seconds = 0, 0.0
        with self._read_draw(self._source) as readings:
            while seconds < self._phase_s:
                self._controller.classify(
                    self._images[count % len(self._images)], **way)
                count += 1
                seconds = self._clock() - started
        return energy.Phase(
            self._settled(readings, started), seconds, count, modelled_mj)

    def _settled(self, readings, started):
        return readings.watts(started + _SETTLING_SHARE * self._phase_s)
