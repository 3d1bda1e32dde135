"""The inputs of a run, by their roles."""

import pytest

from style_transfer.runs.inputs import Inputs, flag

WHOLE = Inputs("c", ("s1", "s2", "s3"), "cm", ("m1", "m2", "m3"), "i")


@pytest.mark.parametrize(
    "inputs",
    [
        Inputs("c", ("s",)),
        Inputs("c", ("s1", "s2")),
        Inputs("c", ("s",), "cm", ("sm",)),
        Inputs("c", ("s",), init="i"),
        Inputs("c", tuple(f"s{number}" for number in range(12))),
        WHOLE,
    ],
)
def test_what_is_listed_is_put_together_again(inputs):
    assert Inputs.from_items(inputs.items()) == inputs
    assert Inputs.from_items(dict(reversed(inputs.items()))) == inputs


def test_the_roles():
    roles = ["content", "style", "style 2", "style 3", "content mask"]
    roles += ["style mask", "style mask 2", "style mask 3", "init"]
    assert [role for role, _ in WHOLE.items()] == roles
    assert [role for role, _ in Inputs("c", ("s",)).items()] == ["content", "style"]


def test_a_function_of_each():
    assert WHOLE.map(str.upper) == Inputs("C", ("S1", "S2", "S3"), "CM", ("M1", "M2", "M3"), "I")
    assert Inputs("c", ("s",)).map(str.upper) == Inputs("C", ("S",))


@pytest.mark.parametrize(
    "roles",
    [
        [],
        ["content"],
        ["style"],
        ["content", "style 2"],
        ["content", "style", "style 3"],
        ["content", "style", "style 1"],
        ["content", "style", "mask"],
        ["content", "style", "style mask 2"],
        ["content", "style", "content mask 2"],
        ["content", "style", ""],
    ],
)
def test_other_roles_are_refused(roles):
    with pytest.raises(ValueError, match="not those of a run"):
        Inputs.from_items(dict.fromkeys(roles, "x"))


def test_the_options_that_name_them():
    flags = ["--content", "--style", "--style", "--style", "--content-mask"]
    flags += ["--style-mask"] * 3 + ["--init"]
    assert [flag(role) for role, _ in WHOLE.items()] == flags
