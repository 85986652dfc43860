"""Names, shapes and costs of a plan as a table or a picture shows them."""

from ddi_tf import units

# Of many blocks of one kind, no more are named.
_NAMED = 6


def printable(text):
    """Its letters; "?" for what would steer a terminal or break an SVG."""
    return "".join(
        letter if letter.isprintable() else "?" for letter in str(text))


def shape(tensors):
    """ "32x32x16 + 20": shapes of `bundle.Tensor`s, without the batch of 1."""
    return " + ".join("x".join(map(str, tensor.shape[1:]))
                      for tensor in tensors)


def macs(count):
    """ "4.72 M" for 4,718,592 MACs."""
    if count < 1000:
        return f"{count}"
    return units.in_words(count, "MACs").removesuffix("MACs").strip()


def grown(before, appended):
    """ "32x32x24 to 32x32x36 (+12)": features behind which channels are put.

    Args:
        before: `bundle.Tensor` of what they were.
        appended: channels.
    """
    *size, channels = before.shape[1:]
    after = "x".join(map(str, (*size, channels + appended)))
    return f"{shape([before])} to {after} (+{appended})"


def skips(plan):
    """Which blocks of a `bundle.Plan` can be skipped, and how."""
    kinds = {"by a graph that changes the shape": [],
             "with zeros in their place": [], "at no cost": [], "never": []}
    changing, zeros, free, never = kinds.values()
    for step in plan.steps:
        kind = (never if not step.skippable else zeros if step.appended
                else free if step.skip is None else changing)
        kind.append(step.name)
    said = [f"{len(plan.steps) - len(never)} of {len(plan.steps)} blocks"]
    most = max(kinds.values(), key=len)
    for how, names in kinds.items():
        many = names is most and len(names) > _NAMED
        rest = "all" if len(names) == len(plan.steps) else "the others"
        if names:
            said.append(f"{how}: {rest if many else ', '.join(names)}")
    return "; ".join(said)
