"""A run's numbers for Prometheus, on request.

Names and units follow https://prometheus.io/docs/practices/naming/. Needs the
extra `metrics` (prometheus-client), which is imported only here.
"""

import re

from device import errors

_HOST = "127.0.0.1"  # the numbers are nobody else's business, unless told so

_ADDRESS = re.compile(
    r"((\[(?P<ipv6>[^][\s]+)\]|(?P<host>[^][:/@\s]+)):)?(?P<port>[0-9]{1,5})")
_LAST_PORT = 65535

# Doubling from a quarter of a millisecond to about four seconds.
_LATENCY_S = tuple(0.00025 * 2 ** power for power in range(15))

_HEALTH = ("good", "held", "lost")
_MS_PER_S, _MJ_PER_J = 1e3, 1e3


def address(text):
    """(host, port) of PORT, HOST:PORT or [IPV6]:PORT; host 127.0.0.1 if none.

    Raises:
        OutputError: it is none of these.
    """
    found = _ADDRESS.fullmatch(text)
    if not found or int(found["port"]) > _LAST_PORT:
        raise errors.OutputError(
            "an address for metrics is PORT, HOST:PORT or [IPV6]:PORT, with a "
            f"port from 0 to {_LAST_PORT}. Received: {text!r}")
    return found["ipv6"] or found["host"] or _HOST, int(found["port"])


class Metrics:
    """Counts a run's images and serves the numbers over HTTP.

    Args:
        bundle: `bundle.Bundle`.
        where: address to listen on, as `address` takes it; port 0: a free one.

    Attributes:
        url: where the numbers are.

    Raises:
        OutputError: nobody can listen there, or prometheus-client is missing.
    """

    def __init__(self, bundle, where):
        client = _client()
        self._failures, self._last = None, None  # counted so far
        host, port = address(where)
        self._registry = registry = client.CollectorRegistry()
        client.ProcessCollector(registry=registry)
        self._images = client.Counter(
            "ddi_images", "Images classified", registry=registry)
        self._failed = client.Counter(
            "ddi_images_failed", "Images that could not be classified",
            registry=registry)
        self._late = client.Counter(
            "ddi_late", "Answers after their deadline", registry=registry)
        self._macs = client.Counter(
            "ddi_macs", "Multiply-accumulates executed", registry=registry)
        self._energy = client.Counter(
            "ddi_energy_modelled_joules", "Energy executed, by the bundle's "
            "model", registry=registry)
        self._latency = client.Histogram(
            "ddi_latency_seconds", "Time from image to answer",
            buckets=_LATENCY_S, registry=registry)
        answers = client.Counter(
            "ddi_answers", "Images answered by an exit", ["exit"],
            registry=registry)
        # All of them now: a rate needs the zero before the first answer.
        self._answers = {name: answers.labels(exit=name) for name in
                         (*bundle.exits, bundle.manifest.plan.head)}
        client.Info("ddi_bundle", "What classifies", registry=registry).info(
            {"name": bundle.folder.resolve().name, "sha256": bundle.checksum})
        self._budget = _Budget(client.metrics_core)
        registry.register(self._budget)
        try:
            self._server, self._thread = client.start_http_server(
                port, host, registry)
        except (OSError, UnicodeError) as error:  # Unicode: no name of a host
            why = getattr(error, "strerror", None) or error
            raise errors.OutputError(
                f"metrics cannot be served at {host}:{port} ({why}). If it is "
                "in use, give another port.") from None
        netloc = f"[{host}]" if ":" in host else host
        self.url = f"http://{netloc}:{self._server.server_port}/metrics"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Stops serving; the numbers are kept."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def update(self, status):
        """Counts the image of a `status.Status`.

        To be called for every image; again while there is none does no harm: an
        image that was counted is not counted again.
        """
        self._budget.status = status.budget
        answer, failed = status.answer, status.summary.failed
        if self._failures is None:  # those of before a restart are not ours
            self._failures = failed - (
                answer is None and status.name is not None)
        if failed > self._failures:
            self._failed.inc(failed - self._failures)
            self._failures = failed
        if answer is None or answer is self._last:
            return
        self._last = answer
        self._images.inc()
        self._answers[answer.exit].inc()
        self._macs.inc(answer.macs)
        self._energy.inc(answer.energy_mj / _MJ_PER_J)
        self._latency.observe(answer.latency_ms / _MS_PER_S)
        if answer.late:
            self._late.inc()


class _Budget:
    """Tells the last budget's numbers when asked; unknown ones are left out.

    Args:
        families: the module `prometheus_client.metrics_core`.

    Attributes:
        status: `status.BudgetStatus`, replaced whole: another thread reads it.
    """

    def __init__(self, families):
        self._families, self.status = families, None

    def collect(self):
        """Families of metrics, as the registry wants them."""
        budget, families = self.status, self._families
        if budget is None:
            return
        yield families.InfoMetricFamily(
            "ddi_operating_point", "Operating point of the last image",
            {"name": budget.point})
        gauges = [("ddi_target_millijoules", "Mean energy per image aimed at, "
                   "modelled", budget.target_mj)]
        battery = budget.battery
        if battery is not None:
            gauges += [
                ("ddi_battery_charge_ratio", "Charge, 0 to 1", battery.charge),
                ("ddi_battery_draw_watts", "Power out of the battery; below 0 "
                 "it charges", battery.draw_w),
                ("ddi_battery_charging", "1 while external power is there",
                 battery.charging),
                ("ddi_battery_hours_left", "Hours down to the reserve at the "
                 "present draw", battery.hours_left),
                ("ddi_battery_hours_asked", "Hours that it should still last",
                 battery.hours_asked)]
            health = families.GaugeMetricFamily(
                "ddi_battery_health", "1 for the state that readings are in",
                labels=["state"])
            for state in _HEALTH:
                health.add_metric([state], state == battery.health)
            yield health
        for name, text, value in gauges:
            if value is not None:
                yield families.GaugeMetricFamily(name, text, value)


def _client():
    """prometheus_client. Raises OutputError."""
    try:
        import prometheus_client
    except ImportError:
        raise errors.OutputError(
            "metrics need the package prometheus-client, and it is not "
            'installed. Run: pip install "ddi-tf[metrics]"') from None
    return prometheus_client
