"""Does the gated training step compute the same where TensorFlow is not?

    python benchmarks/xla_offload.py pack --output=PKG --offload_tools=DIR
    python benchmarks/xla_offload.py check --package=PKG --offload_tools=DIR

`pack` wants TensorFlow. It writes the step of the exits phase (gates, exits and
price) of a ResNet with random weights as a package that XLA can run, with the
training images and the inputs of five steps, as the trainer draws them, and
what TensorFlow made of them, with XLA and without.

`check` wants jax alone. It takes the five steps and compares, and ends with
status 1 if a loss is further than TOLERANCE from TensorFlow's. JSON out.

DIR holds the packer and the runner, which are not part of this repository:

    export_step.export_step(step, arguments, names, folder)  writes the package
    export_step.import_state(folder, variables)              takes it back
    run_step.PackedStep(folder)   called with arguments by name, returns the
                                  step's outputs; has `state`, named in `meta`
"""

import argparse
import importlib
import json
import pathlib
import sys

import numpy as np

from ddi_tf import errors

STEPS = 5

# Largest |loss - TensorFlow's| / TensorFlow's, of any step.
TOLERANCE = 1e-4

_PHASE = "exits"

# A tenth of the trainer's. Between TensorFlow with XLA and without, the first
# loss differs by 1e-6, but some gradients by 1% and more (rounding, presumably
# where it decides which side of a ReLU a unit is on). At the full rate this
# added up in five steps to 8e-4 between these two, and to 2e-3 between jaxlib
# and either (ResNet14, digits, batch 128).
_JOINT_LR = 1e-3

# What the step is given: the data set, and what a batch draws.
_DATA = ("images", "labels")
_BATCH = ("indices", "crops", "flips", "thresholds", "learning_rate", "target")

_FACTS, _ARRAYS = "reference.json", "reference.npz"


class OffloadError(errors.DDIError):
    """A folder that does not hold what it should."""


def main():
    args = _parser().parse_args()
    sys.path.append(str(args.offload_tools))
    try:
        agrees = args.command(args)
    except errors.DDIError as error:
        sys.exit(f"error: {error}")
    sys.exit(0 if agrees else 1)


def _parser():
    # Not absl: `check` runs where there is what jax brings along, no more.
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="pack|check")
    pack_ = commands.add_parser("pack", help="with TensorFlow")
    pack_.set_defaults(command=pack)
    pack_.add_argument("--output", type=pathlib.Path, required=True,
                       help="folder to write; must not exist")
    pack_.add_argument("--model_depth", type=int, default=14,
                       help="layers of the ResNet (default 14)")
    pack_.add_argument("--train_batch_size", type=int, default=128,
                       help="images per step (default 128)")
    pack_.add_argument("--data_name", default="digits",
                       help="data set (default digits)")
    pack_.add_argument("--data_dir", help="folder of prepared TFDS data")
    check_ = commands.add_parser("check", help="with jax")
    check_.set_defaults(command=check)
    check_.add_argument("--package", type=pathlib.Path, required=True,
                        help="folder that pack wrote")
    for command in (pack_, check_):
        command.add_argument(
            "--offload_tools", type=pathlib.Path, required=True, metavar="DIR",
            help="folder of export_step.py and run_step.py")
    return parser


def _tool(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise OffloadError(
            f"{error}. --offload_tools must hold {name}.py, and this Python "
            "what it imports.") from error


def pack(args):
    """Writes package and reference. Returns True."""
    if args.output.exists():
        raise OffloadError(f"{args.output} exists already.")
    # Only here: `check` runs where there is no TensorFlow.
    from ddi_tf import quiet
    import tensorflow as tf
    from ddi_tf import course
    from ddi_tf import data
    from ddi_tf import network
    from ddi_tf import phases
    from ddi_tf import run_folder
    from ddi_tf import sources
    import phase_step
    quiet.tensorflow_logs()
    tool = _tool("export_step")
    dataset = sources.load(
        args.data_name, sources.Options(folder=args.data_dir))
    schedule = phases.Schedule(
        batch_size=args.train_batch_size, joint_lr=_JOINT_LR)
    sampler = data.Sampler(len(dataset.train.images), schedule.batch_size,
                           schedule.seed, dataset.flip)
    phase = phase_step.PHASES[_PHASE]
    config = network.NetworkConfig(
        depth=args.model_depth, classes=len(dataset.label_names),
        image_shape=dataset.train.images.shape[1:])
    compiled, plain = (phase_step.PhaseStep(
        _PHASE, config, schedule, dataset, jit)
        for jit in (True, False))
    batches = [
        (sampler.draw(index), compiled.thresholds(index),
         course.learning_rate(phase, schedule, index, STEPS),
         schedule.target_cost) for index in range(STEPS)]
    tool.export_step(compiled.function, compiled.arguments(*batches[0]),
                     (*_DATA, *_BATCH), args.output)
    # What comes home is found by name: no two variables may share one.
    tool.import_state(args.output, compiled.variables)
    results = [compiled(*batch) for batch in batches]
    losses = {"tensorflow, XLA": [result["loss"] for result in results],
              "tensorflow": [plain(*batch)["loss"] for batch in batches]}
    np.savez(
        args.output / _ARRAYS,
        **dict(zip(_DATA, dataset.train)),
        **dict(zip(_BATCH, zip(*((*draw, *rest) for draw, *rest in batches)))),
        **{v.name: v.numpy() for v in compiled.variables})
    facts = {
        "commit": run_folder.commit(), "tensorflow": tf.__version__,
        "phase": _PHASE, "depth": args.model_depth, "data": dataset.name,
        "batch_size": schedule.batch_size, "steps": STEPS,
        # A tf.function returns the values of a dict in the order of its keys.
        "outputs": sorted(results[0]), "losses": losses,
        "last": results[-1]}
    (args.output / _FACTS).write_text(json.dumps(facts, indent=1))
    print(json.dumps(facts, indent=1))
    return True


def check(args):
    """Takes the steps of the reference. Returns whether the losses agree."""
    try:
        facts = json.loads((args.package / _FACTS).read_text())
        arrays = np.load(args.package / _ARRAYS)
    except OSError as error:
        raise OffloadError(
            f"{error}. --package must be what `pack` wrote.") from error
    tool = _tool("run_step")
    import jax  # only here: `pack` runs where there is no jax
    step = tool.PackedStep(args.package)
    images = {name: step.put(arrays[name]) for name in _DATA}
    results = []
    for index in range(facts["steps"]):
        batch = {name: arrays[name][index] for name in _BATCH}
        outputs = step(**images, **batch)
        results.append(dict(zip(facts["outputs"], map(float, outputs))))
    losses = [result["loss"] for result in results]
    differences = {
        name: float(np.max(np.abs(np.array(losses) / expected - 1)))
        for name, expected in facts["losses"].items()}
    agrees = all(value <= TOLERANCE for value in differences.values())
    print(json.dumps({
        **facts, "jax": jax.__version__,
        "device": f"{step.device.platform} {step.device.device_kind}",
        "losses": {**facts["losses"], "jax": losses},
        "last": {"tensorflow, XLA": facts["last"], "jax": results[-1]},
        "largest_relative_loss_difference": differences,
        "losses_within": TOLERANCE, "losses_agree": agrees,
        "largest_state_difference": _state_difference(step, arrays),
    }, indent=1))
    return agrees


def _state_difference(step, arrays):
    """The largest |a - b| in a variable after the last step, and in which.

    The step counter must be the same and statistics are of order 1, so one that
    was not updated shows.
    """
    differences = {
        name: float(np.max(np.abs(np.asarray(value) - arrays[name])))
        for name, value in zip(step.meta["state"], step.state)
        if name in arrays}  # the learning rate is not: every step is given it
    worst = max(differences, key=differences.get)
    return {"variable": worst, "difference": differences[worst]}


if __name__ == "__main__":
    main()
