"""What E of Eq. 5 counts: FLOPs, energy or latency.

A resource is a class with a name, a unit, a source in words, and a `table` that
gives every subgraph of a network its cost; a new one is added to RESOURCES.
"""

from ddi_tf import energy
from ddi_tf import errors
from ddi_tf import latency


class Flops:
    """MACs; FLOPs are twice as many, and the same share of the base network."""

    name, unit = "flops", "MACs"
    source = "convolutions and dense layers"

    def table(self, network):
        """The `costs.CostTable` of a `network.Network`, in `unit`."""
        return network.costs

    def settings(self):
        """What has to be the same when a run goes on, as a dict for JSON."""
        return {"name": self.name}


class Energy:
    """Modelled energy.

    Args:
        model: key of `energy.MODELS`.
        width: of the numbers, ditto.
    """

    name = "energy"

    def __init__(self, model, width):
        self._key, self._model = (model, width), energy.model(model, width)
        self.unit = self._model.unit
        self.source = f"{model}, {width}: {self._model.source}"

    def table(self, network):
        """As `Flops.table`."""
        return network.work.priced(self._model.energy)

    def settings(self):
        """As `Flops.settings`."""
        return {"name": self.name, "model": self._key[0], "width": self._key[1],
                **self._model._asdict()}


class Latency:
    """Time as measured on a device.

    Args:
        profile: file that `python -m device.profile` wrote.
    """

    name, unit = "latency", "ms"

    def __init__(self, profile):
        if not profile:
            raise errors.ConfigError(
                "--loss_resource=latency needs --loss_latency_profile. Measure "
                "one on the device: python -m device.profile --bundle=BUNDLE "
                "--output=profile.json")
        self._medians = latency.read(profile)
        self.source = latency.source(profile)

    def table(self, network):
        """As `Flops.table`."""
        return latency.table(network, self._medians)

    def settings(self):
        """As `Flops.settings`."""
        return {"name": self.name, "median_ms": self._medians}


# Name -> how it is made from what the user said.
RESOURCES = {
    "flops": lambda model, width, profile: Flops(),
    "energy": lambda model, width, profile: Energy(model, width),
    "latency": lambda model, width, profile: Latency(profile),
}
