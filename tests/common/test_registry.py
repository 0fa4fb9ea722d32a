"""Registries: members by name, their options, and clear words for what is not there."""

import pytest

from workflow_src.common import registry
from workflow_src.common.errors import InputError
from workflow_src.study import registries

PLACES = {"fraction": "fractions:Fraction", "counter": "collections:Counter"}


def test_a_member_is_imported_from_its_place():
    from fractions import Fraction

    assert registry.member(PLACES, "fraction", "a number") is Fraction
    assert registry.build(PLACES, "fraction", "a number", 3, denominator=4) == Fraction(3, 4)


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InputError, match="'half' is not a number; allowed: fraction, counter"):
        registry.place_of(PLACES, "half", "a number")


def test_an_option_that_a_member_does_not_have_is_named_with_those_it_has():
    with pytest.raises(InputError, match="fraction has no option 'divisor'; allowed: denominator"):
        registry.build(PLACES, "fraction", "a number", 3, divisor=4)


def test_what_a_member_says_of_its_options_is_passed_on():
    with pytest.raises(InputError, match=r"fraction cannot be built with .*0.*: Fraction\(3, 0\)"):
        registry.build(PLACES, "fraction", "a number", 3, denominator=0)


@pytest.mark.parametrize("name", ["WEIGHTINGS", "SEGMENTERS", "RAW_FORMATS"])
def test_every_place_of_the_real_registries_is_there(name):
    places = getattr(registries, name)
    found = {registry.member(places, key, "a member").__module__ for key in places}
    assert found == {place.partition(":")[0] for place in places.values()}
