"""Names, shapes and costs of a plan as a table or a picture shows them."""

from ddi_tf import units


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


def skips(plan):
    """Which blocks of a `bundle.Plan` can be skipped, and how."""
    free = [s.name for s in plan.steps if s.skippable and s.skip is None]
    paid = [s.name for s in plan.steps if s.skippable and s.skip is not None]
    never = [s.name for s in plan.steps if not s.skippable]
    said = [f"{len(free) + len(paid)} of {len(plan.steps)} blocks"]
    if paid:
        said.append(f"by a graph that changes the shape: {', '.join(paid)}")
    if free:
        said.append("at no cost: " + (
            "the others" if paid and not never else ", ".join(free)))
    if never:
        said.append(f"never: {', '.join(never)}")
    return "; ".join(said)
