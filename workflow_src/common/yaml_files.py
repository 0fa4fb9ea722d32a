"""Reading YAML files that people write, where YAML itself would lose or hide something."""

from pathlib import Path
from typing import Any

import yaml

from workflow_src.common.errors import InputError

MOST_VALUES = 100_000  # that a file may stand for once its aliases are written out


class _StrictLoader(yaml.SafeLoader):
    """YAML in which no key appears twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                name = (key.tag, key.value)
                if name in lines:
                    problem = f"{key.value} appears twice, first on line {lines[name]}: keep one"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                lines[name] = key.start_mark.line + 1
        return node


def parse_yaml(text: str) -> Any:
    """What a text stands for.

    Raises:
        yaml.YAMLError: for all that cannot be read, would be lost, or never ends.
    """
    try:
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _values(node, {}) > MOST_VALUES:
            raise yaml.YAMLError("aliases that stand for too many values: write them out")
        return loader.construct_document(node)
    except (ValueError, RecursionError) as error:  # an impossible date, or nesting too deep
        raise yaml.YAMLError(str(error)) from error


def read_yaml(path: Path) -> dict:
    """The keys and values of a YAML file.

    Raises:
        InputError: one line that names the file, and what in it cannot be read or would be lost: a
            duplicate key, endless aliases, bytes that are not UTF-8.
    """
    try:
        content = parse_yaml(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{place}: {error.problem}") from error
    except (OSError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read ({reason}): give a config file") from error
    if content is not None and not isinstance(content, dict):
        raise InputError(f"{path} holds no keys with values: give a config file")
    return content or {}


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for; one that holds itself stands for too many."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1  # while it is counted
        pairs = isinstance(node, yaml.MappingNode)
        parts = [part for pair in node.value for part in pair] if pairs else node.value
        known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]
