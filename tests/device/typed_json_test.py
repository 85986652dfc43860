"""device.typed_json: what it accepts, and where it says a mistake is."""

import dataclasses
import json
from typing import Optional

import hypothesis
from absl.testing import absltest
from absl.testing import parameterized
from hypothesis import strategies as st

from device import bundle
from device import typed_json
import strategies


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    weights: tuple[float, ...]
    label: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Whole:
    count: int
    ready: bool
    limit: Optional[float]
    parts: tuple[Part, ...]
    notes: dict[str, object]


WHOLE = Whole(3, True, None, (Part("a", (1.0, 2.5)),), {"any": [1, None]})

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from([field.name for field in dataclasses.fields(
            bundle.Manifest)]), inner),
    max_leaves=8)

_WHOLES = st.builds(
    Whole, st.integers(), st.booleans(),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.builds(
        Part, st.text(), st.lists(st.floats(
            allow_nan=False, allow_infinity=False)).map(tuple))).map(tuple),
    st.dictionaries(st.text(), st.lists(st.integers())))


def values(**changes):
    """WHOLE as JSON values, with some changed."""
    return {**json.loads(json.dumps(dataclasses.asdict(WHOLE))), **changes}


def as_floats(value):
    """JSON values without a difference of 1 and 1.0; NaN equals itself."""
    return json.loads(json.dumps(value), parse_int=float, parse_constant=str)


class ParseTest(parameterized.TestCase):

    def test_values_of_the_right_types_are_parsed(self):
        self.assertEqual(typed_json.parse(Whole, values()), WHOLE)

    def test_what_has_a_default_may_be_missing(self):
        parsed = typed_json.parse(Part, {"name": "a", "weights": []})
        self.assertEqual(parsed, Part("a", (), None))
        parsed = typed_json.parse(
            Part, {"name": "a", "weights": [], "label": 3})
        self.assertEqual(parsed.label, 3)

    def test_a_whole_number_is_a_float_where_one_is_expected(self):
        parsed = typed_json.parse(Whole, values(limit=2))
        self.assertIs(type(parsed.limit), float)
        self.assertEqual(parsed.limit, 2.0)

    def test_lists_become_tuples(self):
        parsed = typed_json.parse(tuple[tuple[int, ...], ...], [[1], []])
        self.assertEqual(parsed, ((1,), ()))

    @parameterized.named_parameters(
        ("text_for_count", {"count": "3"},
         r"the manifest\.count: expected int, found '3'"),
        ("float_for_count", {"count": 3.0}, r"\.count: expected int, found 3"),
        ("bool_for_count", {"count": True}, r"\.count: expected int, found Tr"),
        ("null_for_count", {"count": None}, r"\.count: expected int, found No"),
        ("number_for_bool", {"ready": 1}, r"\.ready: expected bool, found 1"),
        ("bool_for_float", {"limit": False},
         r"\.limit: expected a finite number, found False"),
        ("nan", {"limit": float("nan")}, r"\.limit: expected a finite number"),
        ("infinity", {"limit": float("inf")}, r"expected a finite number"),
        ("object_for_list", {"parts": {}}, r"\.parts: expected a list"),
        ("text_for_list", {"parts": "ab"}, r"\.parts: expected a list"),
        ("list_for_object", {"notes": []}, r"\.notes: expected an object"),
        ("list_for_part", {"parts": [[]]},
         r"\.parts\[0\]: expected an object, found \[\]"),
        ("deep", {"parts": [{"name": "a", "weights": [1, "2"]}]},
         r"the manifest\.parts\[0\]\.weights\[1\]: expected a finite number, "
         r"found '2'"),
        ("lacks", {"parts": [{"name": "a"}]},
         r"the manifest\.parts\[0\] lacks weights"),
        ("unknown", {"size": 1, "age": 2},
         r"the manifest has unknown age, size"))
    def test_a_wrong_value_is_refused_with_its_place(self, changes, message):
        with self.assertRaisesRegex(typed_json.TypedJsonError, message):
            typed_json.parse(Whole, values(**changes))

    def test_the_place_begins_with_the_name_that_was_given(self):
        with self.assertRaisesRegex(typed_json.TypedJsonError,
                                    r"^run\.json\[0\]: expected int"):
            typed_json.parse(tuple[int, ...], ["x"], "run.json")

    def test_a_long_wrong_value_is_cut(self):
        with self.assertRaises(typed_json.TypedJsonError) as caught:
            typed_json.parse(int, "x" * 10_000)
        self.assertLess(len(str(caught.exception)), 150)

    def test_a_number_beyond_floats_is_refused(self):
        with self.assertRaisesRegex(typed_json.TypedJsonError,
                                    r"\.limit: expected a finite number"):
            typed_json.parse(Whole, values(limit=10**400))


class PropertyTest(absltest.TestCase):

    @strategies.SETTINGS
    @hypothesis.given(_WHOLES)
    def test_what_was_written_is_read_back(self, whole):
        text = json.dumps(dataclasses.asdict(whole))
        self.assertEqual(typed_json.parse(Whole, json.loads(text)), whole)

    @strategies.FEW
    @hypothesis.given(_JSON)
    def test_anything_else_is_a_typed_json_error(self, value):
        with self.assertRaisesRegex(typed_json.TypedJsonError,
                                    r"^the manifest(: expected| lacks|\.)"):
            typed_json.parse(bundle.Manifest, value)

    @strategies.SETTINGS
    @hypothesis.given(st.sampled_from(sorted(values())), _JSON)
    def test_one_other_value_is_refused_or_kept(self, name, value):
        try:
            parsed = typed_json.parse(Whole, values(**{name: value}))
        except typed_json.TypedJsonError as error:
            self.assertIn(f"the manifest.{name}", str(error))
        else:
            self.assertEqual(
                as_floats(dataclasses.asdict(parsed)[name]), as_floats(value))


if __name__ == "__main__":
    absltest.main()
