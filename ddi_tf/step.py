"""One training step: forward, hybrid loss, gradients, update.

A function of its arguments and of variables alone: static shapes, randomness
passed in, no Python side effects; so it compiles with XLA and runs elsewhere.
"""

import tensorflow as tf

from ddi_tf import costs
from ddi_tf import data
from ddi_tf import losses
from ddi_tf import phases

_EMA_DECAY = 0.95  # of the running cost and skip ratio that steer the phases


class Averages(tf.Module):
    """Running means that decide when alpha is on and when a phase ends."""

    def __init__(self):
        super().__init__()
        self.cost = tf.Variable(1.0, trainable=False, name="cost")
        self.skip_ratio = tf.Variable(1.0, trainable=False, name="skip_ratio")

    def reset(self, cost, skip_ratio):
        """Where a phase starts from; its first batches move it away."""
        self.cost.assign(cost)
        self.skip_ratio.assign(skip_ratio)

    def update(self, cost, skip_ratio):
        for variable, value in ((self.cost, cost),
                                (self.skip_ratio, skip_ratio)):
            variable.assign(_EMA_DECAY * variable + (1 - _EMA_DECAY) * value)


def trained_variables(network, phase):
    """The variables that `phase` updates."""
    return ((network.base_variables if phase.weights else [])
            + (network.gate_variables if phase.gates else [])
            + (network.exit_variables if phase.exits else []))


def skip_ratio(decisions):
    """Mean share of the blocks' gated work that is not executed.

    Args:
        decisions: `network.Decisions`, hard.

    Returns:
        Scalar float in [0, 1]: `1 - mean_bk (gate_bk * mean_g mask_bkg)`.
    """
    run = tf.stack([tf.reduce_mean(mask, axis=1) for mask in decisions.masks],
                   axis=1)
    return 1 - tf.reduce_mean(decisions.layers * run)


def effective_alpha(phase, schedule, cost):
    """Weight of the resource loss now, from the running mean `cost`.

    Alpha.BAND: 0 inside the band round the target; outside it pulls back in
    proportion, in either direction (a network cheaper than asked is pushed to
    use its budget), and fully from `phases.FULL_PULL` away.
    """
    if phase.alpha is phases.Alpha.OFF:
        return tf.zeros([])
    if phase.alpha is phases.Alpha.ON:
        return tf.constant(schedule.alpha, tf.float32)
    gap = (cost - schedule.target_cost) / schedule.target_cost
    pull = tf.clip_by_value(gap / phases.FULL_PULL, -1.0, 1.0)
    return tf.where(tf.abs(gap) > phases.BAND, schedule.alpha * pull, 0.0)


def loss_terms(network, phase, schedule, images, labels, averages):
    """(terms, metrics): the summands of the loss, and what to report."""
    if not phase.gates and not phase.exits:
        logits = network.base(images, training=True)
        loss = losses.cross_entropy(logits, labels, schedule.label_smoothing)
        return {"accuracy_loss": loss}, {"accuracy": _accuracy(logits, labels)}
    outputs = network(images, training=phase.weights, train_gates=phase.gates,
                      with_exits=phase.exits)
    head_loss, *exit_losses = (
        losses.cross_entropy(logits, labels, schedule.label_smoothing)
        for logits in (outputs.logits, *outputs.exit_logits))
    full_path = costs.full_path(network.costs, outputs.spent)
    cost = losses.resource(full_path, network.costs.base)
    averages.update(tf.stop_gradient(cost), skip_ratio(outputs.decisions))
    alpha = effective_alpha(phase, schedule, averages.cost)
    terms = {"accuracy_loss": losses.with_exits(head_loss, exit_losses),
             "resource_loss": alpha * cost}
    if phase.gates and not phase.weights:
        terms["open_loss"] = losses.open_gates(outputs.probabilities)
    return terms, {"accuracy": _accuracy(outputs.logits, labels),
                   "cost": averages.cost + 0.0,
                   "skip_ratio": averages.skip_ratio + 0.0}


def make(network, optimizer, averages, phase, schedule, scaling,
         jit_compile=False):
    """The compiled training step of one phase.

    Args:
        network: `network.Network`.
        optimizer: tf_keras optimizer, already built on all variables.
        averages: `Averages`, updated by every gated step.
        phase: `phases.Phase`.
        schedule: `phases.Schedule`.
        scaling: `data.Scaling`.
        jit_compile: whether XLA compiles it.

    Returns:
        A `tf.function` of (all images [N, H, W, 3] uint8, all labels [N]
        int32, indices [B] int32, offsets [B, 2] int32, flips [B] bool,
        learning rate []) that returns a dict of scalar tensors.
    """
    variables = trained_variables(network, phase)
    decayed = {v.ref() for v in variables if "kernel" in v.name
               } - {v.ref() for v in network.gate_variables}

    @tf.function(jit_compile=jit_compile)
    def step(images, labels, indices, offsets, flips, learning_rate):
        batch = data.augment(tf.gather(images, indices), offsets, flips)
        batch = data.normalize(batch, scaling)
        with tf.GradientTape() as tape:
            terms, metrics = loss_terms(
                network, phase, schedule, batch, tf.gather(labels, indices),
                averages)
            loss = tf.add_n(list(terms.values()))
        gradients = tape.gradient(loss, variables)
        gradients = [
            g + schedule.weight_decay * v if v.ref() in decayed else g
            for g, v in zip(gradients, variables)]
        optimizer.learning_rate.assign(learning_rate)
        optimizer.apply_gradients(zip(gradients, variables))
        return {"loss": loss, **terms, **metrics}

    return step


def _accuracy(logits, labels):
    hits = tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels)
    return tf.reduce_mean(tf.cast(hits, tf.float32))
