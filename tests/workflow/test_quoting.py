"""No text of a config runs anything: it is refused in one line, or reaches a step as it is.

The keys are found by walking the models, so a new setting is tried without a word here.
"""

import copy
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from conftest import ROOT
from pydantic import BaseModel

from workflow_src.common.errors import InputError
from workflow_src.study.configuration import Study, validated
from workflow_src.study.loading import load_study

# From the worst on, what each key is tried with; {n} is its number.
HOSTILE = [
    "-$(touch harm{n}) `touch harm{n}`\n\"'; touch harm{n} # \\ {{x}} {{{{ <results> * ~ !! && | ä",
    "-$(touch harm{n}) `touch harm{n}` \"'; touch harm{n} # \\ {{x}} {{{{ <results> * ~ !! && | ä",
    "-$(touch harm{n}) `touch harm{n}` \"'; touch harm{n} # \\ <results> * ~ !! && | ä",
    "-$(touch harm{n}) `touch harm{n}` \"'; touch harm{n} # \\ * ~ !! && | ä",
    "https://host/$(touch${{IFS}}harm{n})/a.pth",
    "https://host/$(touch$IFS`touch$IFS'harm{n}'`)/a.pth",
    "$(touch harm{n})",
]
Place = tuple[str | int, ...]
KEY = "[key]"  # at the end of a place: the name of an entry, not its value


def texts(annotation: Any, found: Any, place: Place = ()) -> Iterator[Place]:
    """Where a config holds text, or could."""
    kind, parts = get_origin(annotation), get_args(annotation)
    if annotation in (str, Any) or kind is Literal:
        yield place
    elif kind is Annotated:
        yield from texts(parts[0], found, place)
    elif kind in (Union, UnionType):
        for part in parts:
            yield from texts(part, found, place) if part is not NoneType else ()
    elif kind is dict:
        for key, value in (found or {}).items():
            yield (*place, key, KEY)
            yield from texts(parts[1], value, (*place, key))
    elif kind is tuple:
        yield from texts(parts[0], None, (*place, 0)) if found else ()
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel) and found is not None:
        for name, field in annotation.model_fields.items():
            yield from texts(field.annotation, found.get(name), (*place, name))


def put(config: dict, place: Place, value: str) -> None:
    """Set a text of a config, or rename an entry."""
    *above, last = place if place[-1] != KEY else place[:-1]
    part: Any = config
    for key in above:
        part[key] = part = list(part[key]) if isinstance(part[key], tuple) else part[key]
    if place[-1] == KEY:
        part[value] = part.pop(last)
    else:
        part[last] = value


def at(config: dict, place: Place) -> str:
    """A text of a config."""
    part: Any = config
    for key in place:
        part = part[key]
    return part


def hostile(config: dict, left_out: tuple[str, ...]) -> tuple[dict, dict[Place, str]]:
    """A config with the worst that each of its texts may be, and these by their place."""
    complete = validated(copy.deepcopy(config))
    worst, taken = copy.deepcopy(complete), {}
    tried = [p for p in texts(Study, complete) if p[-1] not in left_out]
    for number, place in enumerate(sorted(set(tried), key=lambda p: (p[-1] == KEY, str(p)))):
        for pattern in HOSTILE:
            value, one = pattern.format(n=number), copy.deepcopy(worst)
            put(one, place, value)
            try:
                read = validated(copy.deepcopy(one))
            except InputError as error:
                assert str(error).startswith("config: ") and str(error).isprintable(), place
            else:
                worst, taken = one, taken | {place: value if place[-1] == KEY else at(read, place)}
                break
    assert len(tried) > 100 and len(taken) > 30
    return worst, taken


def executed(commands: list[str], folder) -> list[str]:
    """The words that bash hands to `python` in these commands, which it runs in a folder."""
    for command in commands:
        *_, log, both = shlex.split(command)
        assert both == "2>&1"
        (folder / log).parent.mkdir(parents=True, exist_ok=True)
    stand_in = "python() { printf '%s\\0' \"$@\" >&9; }"
    (folder / "script").write_text("\n".join(["exec 9> words", stand_in, *commands]))
    subprocess.run(["bash", "-euo", "pipefail", "script"], cwd=folder, check=True)
    return (folder / "words").read_text().split("\0")


STUDIES = {
    "local": (["config/demo.yaml", "tests/study.yaml"], ()),
    "fetched": (["config/config.yaml"], ("root", "path")),
}


@pytest.mark.parametrize("kind", STUDIES)
def test_no_text_of_a_config_runs_anything(kind, snakemake, checkout, tmp_path, monkeypatch):
    files, left_out = STUDIES[kind]
    base = load_study([ROOT / file for file in files])
    if kind == "local":
        base["datasets"]["polyps"]["phantom"] = None
        base["datasets"]["polyps"]["root"] = "raw"
    monkeypatch.chdir(checkout)
    for name in ["raw", *(pattern.format(n=n) for n in range(500) for pattern in HOSTILE[2:4])]:
        for dataset in base["datasets"]:  # a config names only what is there
            (checkout / name / dataset).mkdir(parents=True, exist_ok=True)
            (checkout / name / dataset / "backbone.json").touch()
    worst, taken = hostile(base, left_out)
    (checkout / "worst.yaml").write_text(yaml.safe_dump(worst, sort_keys=False))
    code, printed = snakemake("-n", "-p", "--configfile", "worst.yaml")
    assert code == 0, printed[-3000:]
    commands = re.findall(r"^Shell command: (?!None)(.*)$", printed, re.M)
    assert len(commands) > 50
    place = tmp_path / "run"
    place.mkdir()
    words = executed(commands, place)
    assert not list(place.glob("**/*harm*")) and not list(checkout.glob("harm*"))
    for where, value in taken.items():
        escaped = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
        assert any(form in word for form in (value, *escaped) for word in words), where
    assert f"--prompt={worst['datasets']['polyps']['prompt']}" in words


def test_every_value_in_a_shell_command_is_quoted():
    for file in (ROOT / "rules").glob("*.smk"):
        for command in re.findall(r'\n    shell:\n((?:        ".*"\n?)+)', file.read_text()):
            assert not re.findall(r"\{[^{}]*(?<!:q)\}", command), (file, command)
