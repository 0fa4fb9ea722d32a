"""Any change of one key of a configuration gives a valid one, or one line that says what is wrong.

The keys are found by walking the completed paper study, so a new setting is tried without a word
here.
"""

import copy

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.common.errors import InputError
from workflow_src.common.yaml_files import read_yaml
from workflow_src.study.configuration import method_settings, model_settings, validated
from workflow_src.study.fitting import check_method, check_mix

COMPLETE = validated(read_yaml(ROOT / "config/config.yaml"))
for section, names, recipe in (
    ("synthesis", "methods", method_settings),
    ("segmentation", "models", model_settings),
):
    for entry, own in COMPLETE[section][names].items():
        own |= {k: v for k, v in recipe(COMPLETE, entry).complete().items() if k not in own}


def places(part, *above):
    """Every key of a configuration, those of its sections too."""
    for key, value in part.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, *above, key)


ODD = [
    "", " ", "\n", "null", "~", "{", "[0, 1", "{a: b}", "1e-5", "nan", "-1", "1.0", "true", "$x",
    "{x}", "../x", "a\nb", "\x00", "\ud800", "x" * 300, "ä", "=1+1", "*a", "&a b", "!!str x",
    "2024-13-45", "2024-01-02", "!!binary /w==", "&a [*a]", "{a: 1, a: 2}",
]  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(ODD)
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.sampled_from(list(places(COMPLETE))), VALUES, st.sampled_from(["set", "add", "drop"]))
def test_one_changed_key_ends_in_one_line_or_in_a_valid_study(place, value, change):
    config = copy.deepcopy(COMPLETE)
    *above, last = place
    part = config
    for key in above:
        part = part[key]
    if change == "drop":
        del part[last]
    else:
        part[last if change == "set" else f"{last}_"] = value
    try:
        found = validated(config)
        for method in found["synthesis"]["methods"]:
            check_method(found, method)
        for mix in found["downstream"]["mixes"]:
            check_mix(found, mix)
    except InputError as error:
        message = str(error)
        assert message.startswith("config: ") and message.isprintable() and len(message) < 2000
    else:
        assert validated(copy.deepcopy(found)) == found


@pytest.mark.parametrize("place", sorted(places(COMPLETE), key=str), ids=".".join)
def test_each_key_refuses_what_it_cannot_be(place):
    """No key takes all of a number that is none, a list of lists, and text with a line break."""
    refused = 0
    for value in (float("nan"), [[["x"]]], "a\nb"):
        config = copy.deepcopy(COMPLETE)
        part = config
        for key in place[:-1]:
            part = part[key]
        part[place[-1]] = value
        try:
            validated(config)
        except InputError:
            refused += 1
    of_a_member = any("options" in key for key in place)  # the member checks it
    assert refused >= (0 if of_a_member else 3)
