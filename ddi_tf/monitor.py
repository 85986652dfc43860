"""What the tune split says about a network while it trains."""

from absl import logging

from ddi_tf import costs
from ddi_tf import course
from ddi_tf import data
from ddi_tf import deciding
from ddi_tf import traces

# Skip ratio from which the gates have collapsed, and accuracy, in multiples of
# chance, up to which the network has.
_ALL_CLOSED = 0.99
_NEAR_CHANCE = 1.5

# Tune images that `sampled_cost` looks at, about.
_SAMPLE = 1000


class Monitor:
    """Looks at the tune split of a data set.

    Args:
        network: `network.Network` that is being trained.
        prices: `costs.CostTable` of the resource that the loss counts.
        dataset: `data.Dataset`.
    """

    def __init__(self, network, prices, dataset):
        self._network, self._prices = network, prices
        self._split = dataset.tune
        # Spread over the split, which may lie in the order of its classes.
        spread = slice(None, None, max(1, len(dataset.tune.labels) // _SAMPLE))
        self._sample = data.Split(*(part[spread] for part in dataset.tune))
        self._tracers = {
            open_: traces.Tracer(network, dataset.scaling, all_open=open_)
            for open_ in (True, False)}

    def look(self, gated=True):
        """`traces.Traces` now: of the gated network, or of the base network."""
        return self._tracers[not gated].collect(self._split)

    def cost(self, tune=None):
        """Mean cost of the full path, as a fraction of the base network's.

        Args:
            tune: `traces.Traces`; None: looks.
        """
        tune = self.look() if tune is None else tune
        spent = costs.spent(
            self._prices, deciding.Decisions(tune.layers, tune.masks))
        full_path = costs.full_path(self._prices, spent).numpy()
        return float(full_path.mean() / self._prices.base)

    def sampled_cost(self):
        """`cost` now, of a thousand of the tune images: near enough, and quick.

        To look at all of them as often as the gates' shift is searched took a
        fifth of DenseNet100's restore phase.
        """
        return self.cost(self._tracers[False].collect(self._sample))

    def record(self, tune, gated=True):
        """Traces as a dict for metrics.jsonl.

        `blocks` is the share of each block's gated work that is executed.
        """
        record = {"accuracy": round(float(tune.accuracy[-1]), 5)}
        if gated:
            record |= {
                "exit_accuracy": [round(float(accuracy), 5)
                                  for accuracy in tune.accuracy[:-1]],
                "skip_ratio": round(float(tune.skip_ratio), 5),
                "cost": round(self.cost(tune), 5),
                "blocks": [round(float(share), 5)
                           for share in tune.executed.mean(axis=0)]}
        return record

    def warn_if_collapsed(self, record):
        """Logs what to do if all gates are closed or nothing is recognised."""
        if record["skip_ratio"] >= _ALL_CLOSED:
            logging.warning(
                "all gates are closed: lower --loss_alpha or raise "
                "--target_cost, and give the skip phase more epochs.")
        if record["accuracy"] <= _NEAR_CHANCE / self._network.config.classes:
            logging.warning(
                "the tune accuracy of %.1f%% is near chance: lower "
                "--train_joint_lr or --loss_alpha, and start from a base "
                "network that has learned.", 100 * record["accuracy"])


def warn_if_not_open(skip_ratio):
    """Logs what to do if warm-up ended with this share of work skipped."""
    if skip_ratio > course.WARMUP_SKIP_RATIO:
        logging.warning(
            "warm-up ended with a skip ratio of %.1f%%, not %.0f%%: raise "
            "--train_warmup_epochs.", 100 * skip_ratio,
            100 * course.WARMUP_SKIP_RATIO)


def in_words(record):
    """A tune record for the log."""
    words = f"tune accuracy {100 * record['accuracy']:.2f}%"
    if "cost" in record:
        words += (f", skip ratio {100 * record['skip_ratio']:.1f}%, cost "
                  f"{record['cost']:.3f} of base")
    return words
