"""Registries: members by name, their options, and clear words for what is not there."""

from inspect import signature

import pytest

from workflow_src.common import registry
from workflow_src.common.errors import InputError
from workflow_src.study.registries import RAW_FORMATS, SEGMENTERS, WEIGHTINGS

PLACES = {
    f"{number} {name}": place
    for number, places in enumerate((WEIGHTINGS, SEGMENTERS, RAW_FORMATS))
    for name, place in places.items()
}


def test_a_member_is_built_with_its_options():
    order = registry.build(SEGMENTERS, "order", "a segmenter", stages=(3,))
    assert type(order).__name__ == "ORDER" and list(order.attention) == ["3"]


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InputError, match="'unet' is not a segmenter; allowed: mkunet, order"):
        registry.place_of(SEGMENTERS, "unet", "a segmenter")


def test_an_option_that_a_member_does_not_have_is_named_with_those_it_has():
    with pytest.raises(InputError, match="order has no option 'stage'; allowed: stages, width"):
        registry.build(SEGMENTERS, "order", "a segmenter", stage=[0])
    with pytest.raises(InputError, match="ratio has no option 'gamma'; allowed: none"):
        registry.require_options(WEIGHTINGS, "ratio", "a weighting", {"gamma": 5.0})


def test_what_a_member_says_of_its_options_is_passed_on():
    with pytest.raises(InputError, match="order cannot be built with .*stages .* 0 to 4"):
        registry.build(SEGMENTERS, "order", "a segmenter", stages=(7,))


@pytest.mark.parametrize("name", PLACES)
def test_the_options_read_from_the_source_are_those_of_the_constructor(name):
    """Also where the constructor is inherited."""
    place = PLACES[name]
    found = registry.member(PLACES, name, "a member")
    assert f"{found.__module__}:{found.__name__}" == place
    parameters = signature(found).parameters.values()
    by_name = [p for p in parameters if p.default is not p.empty or p.kind is p.KEYWORD_ONLY]
    optional = [p.name for p in by_name if p.kind is not p.KEYWORD_ONLY]
    assert registry.options_of(place) == optional + [
        p.name for p in by_name if p.name not in optional
    ]
