"""One training step: forward, hybrid loss, gradients, update.

A function of its arguments and of variables alone: static shapes, randomness
passed in, no Python side effects; so it compiles with XLA and runs elsewhere.
"""

import tensorflow as tf

from ddi_tf import costs
from ddi_tf import crops as crops_lib
from ddi_tf import data
from ddi_tf import distribution as distribution_lib
from ddi_tf import losses
from ddi_tf import policy


def trained_variables(network, phase):
    """(what learns by the loss, exits): the variables that `phase` updates."""
    return ((network.base_variables if phase.weights else [])
            + (network.gate_variables if phase.gates else []),
            network.exit_variables if phase.exits else [])


def skip_ratio(decisions):
    """Mean share of the blocks' gated work that is not executed.

    Args:
        decisions: `deciding.Decisions`, hard.

    Returns:
        Scalar float in [0, 1]: `1 - mean_bk (gate_bk * mean_g mask_bkg)`.
    """
    run = tf.stack([tf.reduce_mean(mask, axis=1) for mask in decisions.masks],
                   axis=1)
    return 1 - tf.reduce_mean(decisions.layers * run)


def answer_losses(answers, teacher, labels, schedule):
    """([head's loss, each exit's], the same of labels alone): scalars.

    Args:
        answers: [B, C] logits of the head, then of the exits.
        teacher: [B, C] logits of who teaches; None without distillation.
        labels: [B] int.
        schedule: `phases.Schedule`.
    """
    head, *exits = answers
    hard = [losses.cross_entropy(logits, labels, schedule.label_smoothing)
            for logits in answers]
    if teacher is None:
        return hard, hard
    # An early exit cannot make logits as large as the head's. At a temperature
    # of 4 what it asked of the features undid them (ResNet14, CIFAR-10: 84.6%
    # to 62.1% in an epoch); at 1 its gradient is bounded as that of labels is.
    soft = [losses.distillation(head, teacher, schedule.distill_temperature),
            *(losses.distillation(logits, head, 1.0) for logits in exits)]
    return [(1 - schedule.distill) * of_labels + schedule.distill * of_teacher
            for of_labels, of_teacher in zip(hard, soft)], hard


def loss_terms(network, phase, schedule, prices, images, labels, steering,
               target, thresholds, teacher=None):
    """(terms, exits' losses, metrics).

    The summands of the loss; what exits learn by, each by its own; and what to
    report.
    """
    taught = teacher and teacher.base(images)
    if not phase.gates and not phase.exits:
        logits = network.base(images, training=True)
        [loss], _ = answer_losses([logits], taught, labels, schedule)
        return {"accuracy_loss": loss}, [], {
            "accuracy": _accuracy(logits, labels)}
    outputs = network(images, training=phase.weights, train_gates=phase.gates,
                      train_exits=phase.exits, with_exits=phase.exits,
                      thresholds=thresholds, sampled=phase.sampled)
    if schedule.distill and not phase.weights and phase.exits:
        taught = outputs.logits  # of a head that learns nothing, but teaches
    answered, of_labels = answer_losses(
        [outputs.logits, *outputs.exit_logits], taught, labels, schedule)
    full_path = _full_path(prices, outputs)
    cost = losses.resource(full_path, prices.base)
    share = 1 / schedule.accumulate
    decided, decided_path = outputs, full_path
    if phase.sampled:
        # What was drawn costs less or more than what a device will decide, and
        # a policy is judged by that too: the likeliest decisions.
        decided = network(images, with_exits=False,
                          thresholds=tf.where(thresholds > 0, 0.5, 0.0))
        decided_path = _full_path(prices, decided)
    steering.update(
        tf.stop_gradient(losses.resource(decided_path, prices.base)),
        skip_ratio(decided.decisions), share)
    terms = {"accuracy_loss": losses.with_exits(answered, of_labels)}
    if phase.priced and network.decides:
        # Eq. 4 adds up the losses of all answers; the price of work keeps its
        # proportion to them.
        weight = len(answered) * steering.weight(target, share)
        terms["resource_loss"] = weight * cost
        if phase.sampled:
            drawn, likeliest = (
                _penalties(found.logits, labels, path / prices.base, weight)
                for found, path in (
                    (outputs, full_path), (decided, decided_path)))
            terms["policy_loss"] = policy.loss(
                _chances(network, outputs.probabilities, thresholds),
                outputs.decisions, drawn - likeliest)
    if phase.gates and not phase.priced:
        terms["open_loss"] = losses.open_gates(outputs.probabilities)
    return terms, answered[1:], {
        "accuracy": _accuracy(outputs.logits, labels),
        "cost": steering.cost + 0.0, "alpha": steering.alpha + 0.0,
        "skip_ratio": steering.skip_ratio + 0.0}


def _full_path(prices, outputs):
    """[B]: what each image's decisions cost, up to the head."""
    return costs.full_path(prices, costs.spent(prices, outputs.decisions))


def _penalties(logits, labels, work, weight):
    """[B] float32: what each image's wrong answer and its work cost."""
    wrong = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.cast(labels, tf.int32), logits)
    return wrong + weight * tf.cast(work, tf.float32)


def _chances(network, probabilities, thresholds):
    """`deciding.Decisions` of probabilities that what was drawn is open.

    A threshold of 0 leaves a gate no choice, so nothing to learn from either.
    """
    return tf.nest.map_structure(
        lambda chance, threshold: tf.where(threshold > 0, chance, 1.0),
        probabilities, network.split(thresholds))


def make(network, optimizer, steering, phase, schedule, prices, scaling,
         teacher=None, jit_compile=False, crop=crops_lib.Shift(),
         distribution=distribution_lib.LOCAL, averages=None,
         compressions=None):
    """The compiled training step of one phase.

    Args:
        network: `network.Network`.
        optimizer: tf_keras optimizer, already built on all variables.
        steering: `steering.Steering`, updated by every gated step.
        phase: `phases.Phase`.
        schedule: `phases.Schedule`.
        prices: `costs.CostTable` of the resource that the loss counts.
        scaling: `data.Scaling`.
        teacher: `network.Network` whose base network is asked; None: labels
            alone teach.
        jit_compile: whether XLA compiles it.
        crop: of the `crops` module: cuts what was drawn.
        distribution: of the `distribution` module; B images are one replica's.
        averages: `averages.Averages` that every step updates, or None.
        compressions: `compression.Compressions` of the network, or None.

    Returns:
        A `tf.function` of (images [N, H, W, 3] uint8, labels [N] int32,
        indices [B] int32 into both, crops [B, 2] int32 or [B, 4] float32 as
        `crop` draws them, flips [B] bool, gate thresholds [B, D], learning
        rate [], target cost []) that returns a dict of scalar tensors.
    """
    shared, of_exits = trained_variables(network, phase)
    variables = shared + of_exits
    decayed = {v.ref() for v in variables if "kernel" in v.name
               } - {v.ref() for v in network.gate_variables}

    def learn(images, labels, indices, crops, flips, thresholds, target):
        """(gradients, metrics) of a batch, or of a part of one."""
        batch = data.training_batch(
            images, indices, crops, flips, crop, scaling)
        with tf.GradientTape(persistent=True) as tape:
            terms, exit_losses, metrics = loss_terms(
                network, phase, schedule, prices, batch,
                tf.gather(labels, indices), steering, target, thresholds,
                teacher)
            loss = tf.add_n(list(terms.values()))
        # Of a settled gate nothing depends on its variables.
        gradients = tape.gradient(
            loss, shared, unconnected_gradients="zero")
        # Eq. 4 weighs how hard an exit pulls at what others use too. Its own
        # weights have nothing to be balanced with: once the head knows the
        # training images, weights of 0.05 would leave them to weight decay.
        gradients += tape.gradient(
            exit_losses, of_exits, unconnected_gradients="zero")
        return gradients, {"loss": loss, **terms, **metrics}

    def step(images, labels, indices, crops, flips, thresholds,
             learning_rate, target):
        gradients, metrics = _in_parts(
            schedule.accumulate, (indices, crops, flips, thresholds),
            lambda *part: learn(images, labels, *part, target))
        gradients = [
            g + schedule.weight_decay * v if v.ref() in decayed else g
            for g, v in zip(distribution_lib.mean(gradients), variables)]
        optimizer.learning_rate.assign(learning_rate)
        optimizer.apply_gradients(zip(gradients, variables),
                                  skip_gradients_aggregation=True)
        if compressions is not None:
            compressions.after_update(phase)
        if averages is not None:
            averages.update()
        return dict(zip(metrics, distribution_lib.mean(
            list(metrics.values()))))

    return distribution.compiled(step, jit_compile)


def _in_parts(count, batch, learn):
    """Means of what `learn` returns for equal parts of a batch, in turn.

    Args:
        count: parts, a divisor of the batch size.
        batch: tensors [B, ...].
        learn: function of [B / count, ...] tensors; returns a nest of tensors.
    """
    if count == 1:
        return learn(*batch)
    total = None
    for part in zip(*(tf.split(tensor, count) for tensor in batch)):
        # Not all at once: it is the memory of one part that is asked for.
        with tf.control_dependencies(tf.nest.flatten(total) if total else []):
            part = tf.nest.map_structure(tf.identity, part)
        result = learn(*part)
        total = result if total is None else tf.nest.map_structure(
            tf.add, total, result)
    return tf.nest.map_structure(lambda value: value / count, total)


def _accuracy(logits, labels):
    hits = tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels)
    return tf.reduce_mean(tf.cast(hits, tf.float32))
