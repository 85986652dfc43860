"""What changes a network between two steps: see `finish` for what and why."""

from ddi_tf import finish


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
    """

    def __init__(self, network, deployed, monitor, dataset, sampler, schedule,
                 progress):
        self._network, self._deployed = network, deployed
        self._monitor, self._dataset, self._sampler = monitor, dataset, sampler
        self._schedule, self._progress = schedule, progress

    def measure_norms(self, what, step, gated=True):
        """Measures batch norm on the batches that would come next.

        Args:
            what: for the progress bar.
            step: the next global step.
            gated: as for `finish.reestimate_norms`.
        """
        steps = range(step, step + self._schedule.norm_batches)
        self._progress.start(what, len(steps), 0)
        self._deployed.copy_from(self._network)
        finish.measure_norms(self._deployed, self._dataset, self._sampler,
                             steps, self._progress, gated)
        self._network.copy_from(self._deployed)

    def hold_target(self, tolerance=finish.TOLERANCE):
        """Shifts all gates to the target cost; a `finish.Held`."""
        self._deployed.copy_from(self._network)
        held = finish.hold_target(
            self._deployed.gates, self._monitor.cost,
            self._schedule.target_cost, tolerance)
        self._network.copy_from(self._deployed)
        return held
