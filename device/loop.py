"""Classifies image after image: chooses, answers, writes, tells, remembers."""

import datetime
import time

from device import errors
from device import status


class Loop:
    """What happens to every image of an input.

    Args:
        bundle: `bundle.Bundle`.
        controller: `controller.Controller` of it.
        chooser: `choosing.Chooser`.
        limits: `status.Limits` of every image.
        summary: `summary.Summary`, that all are added to.
        output: one that `outputs.opening` opened.
        position: `run_memory.Position`, kept up to date.
        warn: called with a message for an image that cannot be classified.
        observers: objects with `update(status.Status)`, called for every image
            and about once a second while there is none.
        ticks: callables, called as often.
        clock: seconds, of a clock that is never set.
    """

    def __init__(self, bundle, controller, chooser, limits, summary, output,
                 position, *, warn, observers=(), ticks=(),
                 clock=time.monotonic):
        self._bundle, self._controller = bundle, controller
        self._name = bundle.folder.resolve().name
        self._chooser, self._limits = chooser, limits
        self._summary, self._output = summary, output
        self._position, self._warn = position, warn
        self._observers, self._ticks = observers, ticks
        self._clock, self._started = clock, clock()
        self._told = None, None, None

    def run(self, source):
        """Classifies all of an `inputs.source.Input`, until it ends.

        Raises:
            InputError: it broke.
            OutputError: nobody reads the answers any more.
        """
        source.when_idle(self._tell)
        for item in source:
            self._tell(*self._image(item))
            # Only now: an image whose answer is not written is not done.
            source.done(item)

    def _image(self, item):
        """Answers one `images.Item`: what observers are told of it."""
        point = self._chooser.choose()
        record = {
            "number": self._position.number + 1,
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(
                timespec="milliseconds"),
            "image": item.name}
        try:
            if isinstance(item.image, errors.ImageError):
                raise item.image
            answer = self._controller.classify(
                item.image, thresholds=point.thresholds or None,
                **self._limits._asdict())
        except errors.ImageError as error:
            answer, label = None, None
            self._summary.failed += 1
            record["error"] = str(error)
            self._warn(f"{item.name}: {error}")
        else:
            label = self._bundle.manifest.labels[answer.label]
            self._summary.add(answer, item.label)
            self._chooser.spent(answer)
            record |= self._answered(answer, label, point)
        self._output.write(record)
        self._position.take(record)
        return item.name, label, answer

    def _answered(self, answer, label, point):
        """The fields of a record that an answer has."""
        steps = self._bundle.manifest.plan.steps
        found = {
            "label": label,
            "probability": round(float(answer.probabilities[answer.label]), 5),
            "exit": answer.exit,
            "entropy": round(answer.entropy, 5),
            "blocks_run": {step.name: list(groups) for step, groups
                           in zip(steps, answer.path) if groups},
            "macs": answer.macs,
            "energy_mj": answer.energy_mj,
            "latency_ms": round(answer.latency_ms, 3)}
        if answer.deadline_ms is not None:
            found["late"] = answer.late
        return {**found, "operating_point": point.name}

    def _tell(self, *told):
        """Tells observers of an image, or of the last one once more."""
        self._told = told or self._told
        if self._observers:
            now = status.Status(
                self._name, self._limits, self._chooser.status(),
                self._clock() - self._started, *self._told, self._summary)
            for observer in self._observers:
                observer.update(now)
        for tick in self._ticks:
            tick()
