"""Trains a gated network with early exits through its phases.

    python -m ddi_tf.train --flagfile=configs/resnet38.cfg
"""

import dataclasses
import os
import signal
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

import tensorflow as tf
import tf_keras
from absl import app
from absl import flags
from absl import logging

from ddi_tf import board
from ddi_tf import costs
from ddi_tf import course
from ddi_tf import data_flags
from ddi_tf import distribution as distribution_lib
from ddi_tf import energy
from ddi_tf import errors
from ddi_tf import follower
from ddi_tf import interruption
from ddi_tf import model_flags
from ddi_tf import phases
from ddi_tf import precisions
from ddi_tf import progress
from ddi_tf import rand_augment
from ddi_tf import ranges
from ddi_tf import resources
from ddi_tf import run_folder
from ddi_tf import run_summary
from ddi_tf import settling
from ddi_tf import start_flags
from ddi_tf import strategies
from ddi_tf import summary_page
from ddi_tf import teaching
from ddi_tf import trainer

_RUN = flags.DEFINE_string(
    "run", None, "Folder of the run; an interrupted run in it goes on.",
    required=True)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of weights, data order and augmentation.", lower_bound=0)
_DETERMINISTIC = flags.DEFINE_bool(
    "deterministic", False, "Same numbers every time, at some speed.")
_MINUTES = flags.DEFINE_float(
    "train_checkpoint_minutes", 10, "Most minutes between two checkpoints; "
    "one is written after every epoch too.", lower_bound=0)
_JIT = flags.DEFINE_bool(
    "jit_compile", False, "Compile the step with XLA (slower on a CPU).")

_DISTRIBUTION = flags.DEFINE_enum(
    "distribution", "none", distribution_lib.NAMES, "Who trains: one device, "
    "all GPUs of this machine, the workers of TF_CONFIG, or a TPU.")

_PRECISION = flags.DEFINE_enum(
    "train_precision", "float32", precisions.NAMES, "What stem and "
    "blocks compute in while they learn; variables, gates, exits and every "
    "figure stay float32.")

_BATCH = flags.DEFINE_integer(
    "train_batch_size", 128, "Images per step, of all devices together.",
    lower_bound=1)
_ACCUMULATE = flags.DEFINE_integer(
    "train_accumulate", 1, "Parts that a device's share of a step is computed "
    "in, one after the other, for want of memory.", lower_bound=1)
_EPOCHS = {
    name: flags.DEFINE_float(
        f"train_{name}_epochs", epochs, f"Epochs of the {name} phase{most}.",
        lower_bound=0)
    for name, epochs, most in (
        ("base", 160, ""), ("warmup", 2, " at most"), ("skip", 20, ""),
        ("restore", 60, ""), ("reinforce", 0, ""), ("exits", 60, ""),
        ("prune", 0, ""), ("cluster", 0, ""), ("quantize", 0, ""))}
_BASE_LR = flags.DEFINE_float(
    "train_base_lr", 0.1, "Peak learning rate of the base phase.")
_JOINT_LR = flags.DEFINE_float(
    "train_joint_lr", 0.01, "Peak learning rate of the phases after it.")
_LR_DECAY = flags.DEFINE_enum(
    "train_lr_decay", "cosine", course.DECAYS, "How the rates fall: as a "
    "cosine, or in the paper's two steps.")
_DECAY = flags.DEFINE_float(
    "train_weight_decay", 1e-4, "L2 factor on kernels.", lower_bound=0)
_SMOOTHING = flags.DEFINE_float(
    "train_label_smoothing", 0.0, "Share of the target spread over all "
    "classes.", lower_bound=0, upper_bound=1)
_DISTORT = flags.DEFINE_float(
    "train_rand_augment", 0, "Strength of two random distortions of every "
    f"training image (RandAugment), 0 to {rand_augment.STRONGEST}; 0: none.",
    lower_bound=0, upper_bound=rand_augment.STRONGEST)
_CUTOUT = flags.DEFINE_integer(
    "train_cutout", 0, "Side in pixels of the square that is hidden in every "
    "training image; 0: none.", lower_bound=0)

_DISTILL = flags.DEFINE_float(
    "train_distill", 0.0, "Share of each answer's loss that asks for a "
    "teacher's answers: the base network teaches the head, the head teaches "
    "the exits.", lower_bound=0, upper_bound=1)
_TEACHER = flags.DEFINE_string(
    "train_teacher", None, "Folder of a run whose base network teaches this "
    "one's, from the base phase on; with --train_distill.")
_TEMPERATURE = flags.DEFINE_float(
    "train_distill_temperature", 4.0, "Softens the base network's answers.",
    lower_bound=1e-3)
_AVERAGE = flags.DEFINE_float(
    "train_average", 0.0, "Share of the weights' running mean that a step "
    "keeps; it replaces the weights after each phase. 0: no mean.",
    lower_bound=0, upper_bound=1)
_NOISE = flags.DEFINE_float(
    "train_gate_noise", 1.0, "How far from one half the gates' thresholds are "
    "drawn while they learn to skip; 0: not at all.", lower_bound=0,
    upper_bound=1)
_SETTLE = flags.DEFINE_bool(
    "train_settle", False, "Before the exits phase, settle the gates that say "
    "the same about every tune image: they are asked no more, and the others "
    "learn on.")
_EXITS_ALONE = flags.DEFINE_bool(
    "train_exits_alone", False, "The exits phase trains exits alone, in less "
    "time, on a network that stays as it is.")
_CALIBRATE = flags.DEFINE_bool(
    "train_calibrate", False, "Divide every answer's logits by a temperature, "
    "fitted on tune after the last phase, so that it is as sure as right.")
_NORM_BATCHES = flags.DEFINE_integer(
    "train_norm_batches", 100, "Batches that batch norm is measured on after "
    "the last phase; 0: its running averages stay.", lower_bound=0)

_SPARSITY = flags.DEFINE_float(
    "train_sparsity", 0.5, "Share of the weights of each block's convolutions "
    "that the prune phase sets to 0, below 1.", lower_bound=0, upper_bound=1)
_CLUSTERS = flags.DEFINE_integer(
    "train_clusters", 16, "Most values that the weights of a block's "
    "convolution have after the cluster phase.", lower_bound=2)

_ALPHA = flags.DEFINE_float(
    "loss_alpha", 0.5, "Weight of the resource loss (Eq. 5) "
    "that the skip phase begins with; it is steered from there.", lower_bound=0)
_TARGET = flags.DEFINE_float(
    "target_cost", 0.5, "Executed cost to reach, as a fraction of the base "
    "network's, in --loss_resource; gates, exits and head count.")
_RESOURCE = flags.DEFINE_enum(
    "loss_resource", "flops", sorted(resources.RESOURCES),
    "What the resource loss counts (E of Eq. 5).")
_ENERGY_MODEL = flags.DEFINE_enum(
    "loss_energy_model", "horowitz", sorted({n for n, _ in energy.MODELS}),
    "Energy of MACs and of moving numbers, for --loss_resource=energy.")
_ENERGY_WIDTH = flags.DEFINE_enum(
    "loss_energy_width", "int8", sorted({w for _, w in energy.MODELS}),
    "Numbers that the device will compute with.")
_PROFILE = flags.DEFINE_string(
    "loss_latency_profile", None, "What python -m device.profile measured, for "
    "--loss_resource=latency.")

# Exit status of a command that a signal ended, as shells count.
_SIGNALLED = 128


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    interrupt = interruption.Interruption()
    try:
        _train(interrupt)
    except errors.StoppedError as stopped:
        print(f"\n{stopped}", file=sys.stderr)
        sys.exit(_SIGNALLED + interrupt.signal)
    except KeyboardInterrupt:
        print("\nstopped at once; the same command goes on from the last "
              "checkpoint.", file=sys.stderr)
        sys.exit(_SIGNALLED + signal.SIGINT)
    except errors.LostWorkerError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        os._exit(1)  # TensorFlow's own end waits for the worker, and complains
    except errors.DDIError as error:
        sys.exit(f"error: {error}")


def _train(interrupt):
    tf_keras.utils.set_random_seed(_SEED.value)
    if _DETERMINISTIC.value:
        tf.config.experimental.enable_op_determinism()
    distribution = distribution_lib.make(_DISTRIBUTION.value)
    with distribution.watched():
        try:
            _train_on(distribution, interrupt)
        except settling.SettledError:
            _train_on(distribution, interrupt)  # as one that was interrupted


def _train_on(distribution, interrupt):
    dataset = data_flags.load().augmented(_DISTORT.value, _CUTOUT.value)
    start = start_flags.start()
    schedule = _schedule(start.behind)
    precisions.warn_if_slow(_PRECISION.value)
    resource = resources.RESOURCES[_RESOURCE.value](
        _ENERGY_MODEL.value, _ENERGY_WIDTH.value, _PROFILE.value)
    folder = (run_folder.RunFolder if distribution.is_chief
              else follower.Follower)(_RUN.value)
    with distribution.scope():
        network = strategies.make(dataclasses.replace(
            model_flags.config(dataset),
            settled=settling.known(folder, start)), _PRECISION.value)
        start.load(network, folder)
    alone = distribution.replicas == 1 and _PRECISION.value == "float32"
    deployed = network if alone else strategies.make(network.config)
    if schedule.quantizes:
        with distribution.scope():
            ranges.attach(network, dataset.scaling)
        if not alone:
            ranges.attach(deployed, dataset.scaling)
    curves = board.Board(folder, network, dataset)
    with progress.TrainingProgress() as bar:
        with distribution.scope():
            run = trainer.Trainer(
                folder, network, dataset, schedule, _prices(resource, network),
                bar, _JIT.value, _MINUTES.value, interrupt.requested,
                curves.add if distribution.is_chief else _ignore,
                distribution, deployed, settling.Settler(
                    folder, network, deployed, dataset, distribution).begin
                if _SETTLE.value else _ignore, teaching.Teaching(
                    folder, network.config, _DISTILL.value, _TEACHER.value,
                    dataset.scaling, _PRECISION.value, distribution))
        # Only now: settings that make no run leave no folder behind.
        with folder.locked(), interrupt:
            _run(run, start, folder, network, dataset, schedule, resource)
    if distribution.is_chief:
        summary_page.show(run_summary.save(folder, network), sys.stdout)


def _prices(resource, network):
    """The `costs.CostTable` that the loss counts by.

    Gates that are to be settled will cost nothing, and most of them are.
    """
    table = resource.table(network)
    is_to_come = _SETTLE.value and not network.config.settled
    return costs.without_gates(table) if is_to_come else table


def _ignore(*arguments):
    """Does nothing with what happened in training."""
    del arguments


def _run(run, start, folder, network, dataset, schedule, resource):
    """Starts the run, or goes on with it."""
    config = network.config
    folder.create({
        "network": dataclasses.asdict(config),
        "schedule": dataclasses.asdict(schedule),
        "resource": resource.settings(),
        "data": dataset.settings,
        "deterministic": _DETERMINISTIC.value,
        "precision": _PRECISION.value,
        **{name: value for name, value in (
            ("settle", _SETTLE.value), ("teacher", _TEACHER.value)) if value},
    }, flags.FLAGS.flags_into_string())
    logging.info(
        "%s: %.1f M MACs, %d parameters, %d training images, run in %s",
        config.title, network.costs.base / 1e6,
        network.count_params(), len(dataset.train.images), folder.path)
    if step := run.resume():
        logging.info("going on from step %d", step)
    else:
        start.begin(run, network, folder)
    run.run()


def _schedule(behind):
    return phases.Schedule(
        batch_size=_BATCH.value, accumulate=_ACCUMULATE.value,
        epochs={name: flag.value for name, flag in _EPOCHS.items()
                if name not in behind},
        base_lr=_BASE_LR.value, joint_lr=_JOINT_LR.value,
        decay=_LR_DECAY.value,
        weight_decay=_DECAY.value, label_smoothing=_SMOOTHING.value,
        distill=_DISTILL.value, distill_temperature=_TEMPERATURE.value,
        average=_AVERAGE.value, gate_noise=_NOISE.value,
        exits_alone=_EXITS_ALONE.value, calibrate=_CALIBRATE.value,
        norm_batches=_NORM_BATCHES.value,
        alpha=_ALPHA.value, target_cost=_TARGET.value,
        sparsity=_SPARSITY.value, clusters=_CLUSTERS.value, seed=_SEED.value)


if __name__ == "__main__":
    app.run(main)
