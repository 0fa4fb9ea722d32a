"""Each setting is defined once: what the models say is repeated nowhere, and described."""

import ast
import copy

import pytest
import yaml
from conftest import ROOT

from workflow_src.common.errors import InputError
from workflow_src.common.yaml_files import read_yaml
from workflow_src.study.configuration import (
    Study,
    merged,
    method_settings,
    model_settings,
    validated,
)
from workflow_src.study.schema import schema_text
from workflow_src.study.settings import Settings


def complete(config: dict) -> dict | None:
    """All that a study says, every method and model complete; None if it is not valid."""
    try:
        config = validated(copy.deepcopy(config))
    except InputError:
        return None
    methods, models = config["synthesis"]["methods"], config["segmentation"]["models"]
    return config | {
        "methods": {n: [methods[n]["label"], method_settings(config, n)] for n in methods},
        "models": {n: [models[n]["label"], model_settings(config, n)] for n in models},
        "synthesis": config["synthesis"] | {"methods": None},
        "segmentation": config["segmentation"] | {"models": None},
        "resources": {
            rule: config["resources"]["default"] | asked
            for rule, asked in config["resources"].items()
        },
    }


def leaves(part: dict, *above: str):
    """The places of a configuration's values."""
    for key, value in part.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, *above, key)
        else:
            yield (*above, key)


def without(config: dict, place: tuple) -> dict:
    config = copy.deepcopy(config)
    part = config
    for key in place[:-1]:
        part = part[key]
    del part[place[-1]]
    return config


@pytest.mark.parametrize("name", ["config", "small", "demo"])
def test_a_study_names_only_what_differs(name):
    base = read_yaml(ROOT / "config/config.yaml") if name != "config" else {}
    own = read_yaml(ROOT / f"config/{name}.yaml")
    whole = complete(merged(base, own))
    assert whole is not None
    idle = [
        ".".join(place)
        for place in leaves(own)
        if complete(merged(base, without(own, place))) == whole
    ]
    assert idle == []


def fields(model: type[Settings], seen: set) -> dict[str, list]:
    """Every setting below a model, with its defaults."""
    found: dict[str, list] = {}
    for part in [model, *model.__subclasses__()]:
        if part in seen:
            continue
        seen.add(part)
        for name, field in part.model_fields.items():
            if not field.is_required():
                found.setdefault(name, []).append(field.default)
        for name, defaults in fields(part, seen).items():
            found.setdefault(name, []).extend(defaults)
    return found


def arguments(function: ast.FunctionDef):
    """The arguments of a function that have a default, each with it."""
    spec = function.args
    yield from zip(spec.args[::-1], spec.defaults[::-1], strict=False)
    yield from zip(spec.kwonlyargs, spec.kw_defaults, strict=True)


def test_no_signature_repeats_a_default():
    settings = fields(Settings, set())
    repeated = [
        f"{file.relative_to(ROOT)}: {argument.arg}"
        for file in (ROOT / "workflow_src").rglob("*.py")
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef)
        for argument, default in arguments(function)
        if isinstance(default, ast.Constant)
        and default.value not in (None, True, False)  # 0 and 1 among them
        and default.value in settings.get(argument.arg, [])
    ]
    assert repeated == []


def test_the_schema_is_current():
    assert (ROOT / "config/schema.yaml").read_text() == schema_text(), (
        "run `python -m workflow_src.write_schema`"
    )


def test_every_key_is_described():
    """schema.yaml is the reference of the keys: what it does not explain, nobody knows."""
    schema = yaml.safe_load(schema_text())
    silent = [
        f"{name}.{key}"
        for name, part in [("Study", schema), *schema["$defs"].items()]
        for key, field in part["properties"].items()
        if not {"description", "$ref"} & set(field) and name != "Resources"
    ]
    assert silent == []
    assert len(schema["properties"]) == len(Study.model_fields)
