"""Flags that say what a run starts from."""

from absl import flags

from ddi_tf import growing
from ddi_tf import starting
from ddi_tf.peers import pruned_start

_BASE_CHECKPOINT = flags.DEFINE_string(
    "train_base_checkpoint", None, "Folder of a run whose trained backbone to "
    "start from, instead of the base phase.")
_CHECKPOINT = flags.DEFINE_string(
    "train_checkpoint", None, "Folder of a finished run whose network, gates "
    "and exits to start from, instead of the phases up to exits.")
_EXITS_CHECKPOINT = flags.DEFINE_string(
    "train_exits_checkpoint", None, "Folder of a finished run whose network, "
    "gates and exits the exits phase goes on with.")
_PRUNE_CHECKPOINT = flags.DEFINE_string(
    "train_prune_checkpoint", None, "Folder of a run whose trained backbone to "
    "prune to --model_inner_width; the base phase retrains it.")
_GROW_CHECKPOINT = flags.DEFINE_string(
    "train_grow_checkpoint", None, "Folder of a run whose trained backbone the "
    "base phase goes on with; a greater --model_depth takes its blocks several "
    "times each.")

# Of these two together `starting.Start` says more.
for _other in ("train_base_checkpoint", "train_checkpoint"):
    flags.mark_flags_as_mutual_exclusive(
        ["train_exits_checkpoint", "train_prune_checkpoint",
         "train_grow_checkpoint", _other])


def start():
    """The `starting.Start`, or what is alike, that the flags ask for.

    Raises:
        ConfigError: they contradict each other.
    """
    if _PRUNE_CHECKPOINT.value:
        return pruned_start.PrunedStart(_PRUNE_CHECKPOINT.value)
    if _GROW_CHECKPOINT.value:
        return growing.GrownStart(_GROW_CHECKPOINT.value)
    if _EXITS_CHECKPOINT.value:
        return starting.Start(whole=_EXITS_CHECKPOINT.value, again={"exits"})
    return starting.Start(_BASE_CHECKPOINT.value, _CHECKPOINT.value)
