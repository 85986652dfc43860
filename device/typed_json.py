"""JSON values into frozen dataclasses, with the place of the first mistake."""

import dataclasses
import functools
import math
import types
import typing


class TypedJsonError(ValueError):
    """A value of another type than the dataclass says, and where."""


def parse(kind, value, where="the manifest"):
    """`value`, as read by the json module, as an instance of `kind`.

    Args:
        kind: a dataclass, or int, float, str, bool, object, tuple[X, ...],
            dict[str, X] or Optional[X] of such.
        value: what `json.loads` returned.
        where: name of the value, for messages.

    Raises:
        TypedJsonError: wrong type, a missing or an unknown key.
    """
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):  # Optional
        return None if value is None else parse(arguments[0], value, where)
    if origin is tuple:
        _expect(isinstance(value, list), "a list", value, where)
        return tuple(parse(arguments[0], item, f"{where}[{index}]")
                     for index, item in enumerate(value))
    if origin is dict:
        _expect(isinstance(value, dict), "an object", value, where)
        return {key: parse(arguments[1], item, f"{where}.{key}")
                for key, item in value.items()}
    return _parse_scalar(kind, value, where)


def _parse_dataclass(kind, value, where):
    _expect(isinstance(value, dict), "an object", value, where)
    hints = _hints(kind)
    optional = {field.name for field in dataclasses.fields(kind)
                if field.default is not dataclasses.MISSING}
    if missing := sorted(set(hints) - set(value) - optional):
        raise TypedJsonError(f"{where} lacks {', '.join(missing)}")
    if unknown := sorted(set(value) - set(hints)):
        raise TypedJsonError(f"{where} has unknown {', '.join(unknown)}")
    return kind(**{name: parse(hint, value[name], f"{where}.{name}")
                   for name, hint in hints.items() if name in value})


@functools.cache
def _hints(kind):
    """Field -> type of a dataclass; found once, since it is slow."""
    return typing.get_type_hints(kind)


def _parse_scalar(kind, value, where):
    if kind is object:
        return value
    if kind is float:
        _expect(_is_finite_float(value), "a finite number", value, where)
        return float(value)
    # bool is a subclass of int, and `true` is no count.
    _expect(type(value) is kind, kind.__name__, value, where)
    if kind is str:
        _expect(_is_text(value), "text", value, where)
    return value


def _is_finite_float(value):
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _is_text(value):
    """Whether a string can be written: JSON may spell half a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _expect(condition, expected, value, where):
    if not condition:
        raise TypedJsonError(
            f"{where}: expected {expected}, found {value!r:.80}")
