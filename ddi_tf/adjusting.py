"""What changes a network between two steps: see `finish` for what and why."""

from absl import logging

from ddi_tf import finish
from ddi_tf import quantization
from ddi_tf import ranges

# On the way, batch norm is measured on as many batches: near is enough.
_WAY_BATCHES = 25


class Adjuster:
    """Adjusts the network that is trained by what its deployed twin shows.

    Args:
        network: `network.Network` that is trained.
        deployed: of the same config, alone and in float32; may be `network`.
        monitor: `monitor.Monitor` that looks at `deployed`.
        dataset: `data.Dataset`.
        sampler: `data.Sampler`.
        schedule: `phases.Schedule`.
        progress: as for `trainer.Trainer`.
        state: `step_state.StepState`.
    """

    def __init__(self, network, deployed, monitor, dataset, sampler, schedule,
                 progress, state):
        self._network, self._deployed = network, deployed
        self._monitor, self._dataset, self._sampler = monitor, dataset, sampler
        self._schedule, self._progress = schedule, progress
        self._state = state
        self._norms = {}  # (way, rounding) -> `finish.Norms`, as needed

    def end_epoch(self, phase, step, is_over):
        """At the end of an epoch, before it is evaluated.

        Args:
            phase: `phases.Phase` that runs.
            step: the next global step.
            is_over: whether the phase ends as well.
        """
        if self._state.averages and is_over and (phase.weights or phase.exits):
            self._state.averages.apply()
            # The means took in weights that were pruned afterwards.
            self._state.compressions.hold(phase)
            self.measure_norms("average", step, [phase])
        elif phase.priced:
            # Running averages are of gates that have moved since: what the
            # tune split then costs, and gets right, is of no network
            # (ResNet14, CIFAR-10: 26% right, and 55% once measured).
            self._measure(range(step, step + min(
                _WAY_BATCHES, self._schedule.norm_batches)))
        # Gates that skipped too much do not find back by themselves.
        if phase.priced and (is_over or phase.name != "skip"):
            held = self.hold_target(at_end=False)
            self._state.steering.move(held.cost - held.before)
            logging.info("%s: gates shifted by %+.3f, cost %.3f to %.3f",
                         phase.name, *held)

    def measure_norms(self, what, step, rows):
        """Measures batch norm on the batches that would come next.

        Args:
            what: for the progress bar.
            step: the next global step.
            rows: `phases.Phase`s since it was measured.
        """
        steps = range(step, step + self._schedule.norm_batches)
        self._progress.start(what, len(steps), 0)
        self._measure(steps, finish.way_behind(rows),
                      lambda: self._progress.update({}))

    def _measure(self, steps, way="gated", advance=lambda: None):
        # What is compiled rounds as it did then.
        rounding = self._deployed.rounding
        kind = way, rounding and rounding.mode
        if kind not in self._norms:
            self._norms[kind] = finish.Norms(self._deployed, way)
        self._deployed.copy_from(self._network)
        self._norms[kind].measure_at(
            steps, self._dataset, self._sampler, advance)
        self._network.copy_from(self._deployed)

    def round(self, find):
        """From now on the network computes in int8 numbers.

        Args:
            find: whether their ranges are to be found first, on tune images.
        """
        if find:
            self._deployed.copy_from(self._network)
            found = ranges.find_on(self._deployed, self._dataset)
            logging.info("quantize: %s", ranges.in_words(found))
            self._network.copy_from(self._deployed)
        for network in (self._network, self._deployed):
            network.rounding.mode = quantization.ROUND

    def hold_target(self, at_end=True):
        """Shifts the gates that decide to the target cost; a `finish.Held`.

        Args:
            at_end: whether no step follows; on the way the shift is small, and
                near is enough, of a sample.
        """
        measure, *limits = (self._monitor.cost,) if at_end else (
            self._monitor.sampled_cost, finish.NEAR, finish.SMALL_SHIFT)
        self._deployed.copy_from(self._network)
        held = finish.hold_target(
            self._deployed.gates if self._network.decides else (), measure,
            self._schedule.target_cost, *limits)
        self._network.copy_from(self._deployed)
        target = self._schedule.target_cost
        if at_end and abs(held.cost - target) > finish.FAR * target:
            logging.warning(
                "the network costs %.3f of the base network on the tune split; "
                "the target is %.3f. Give the skip and restore phases more "
                "epochs.", held.cost, target)
        return held
