"""YAML files that people write: what would be lost or never end is named in one line."""

import pytest

from workflow_src.common.errors import InputError
from workflow_src.common.yaml_files import read_yaml

BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: a appears twice, first on line 1: keep one"),
        ("a:\n  b: 1\n  'b': 2\n", "line 3: b appears twice, first on line 2"),
        ("a: {1: x, 1: y}\n", "line 1: 1 appears twice"),
        (BOMB, "aliases that stand for too many values"),
        ("a: &a {b: *a}\n", "aliases that stand for too many values"),
        ("a: &a [1, *a]\n", "aliases that stand for too many values"),
        ("a: *nothing\n", "line 1: found undefined alias"),
        ("a: [0\n", "line 2: expected ','"),
        ("a: !!python/object/apply:os.getcwd []\n", "line 1: could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", "line 2: but found another document"),
        ("a: 2024-13-45\n", "cannot be read"),
        ("a", "holds no keys with values"),
        ("- a\n", "holds no keys with values"),
        ("[" * 2000, "cannot be read"),
    ],
)
def test_what_cannot_be_read_safely_is_named_in_one_line(tmp_path, content, words):
    file = tmp_path / "my.yaml"
    file.write_text(content)
    with pytest.raises(InputError) as raised:
        read_yaml(file)
    assert words in str(raised.value) and "\n" not in str(raised.value)
    assert str(file) in str(raised.value)


@pytest.mark.parametrize(
    "content", [b"study: d\xe9mo\n", "study: x\n".encode("utf-16"), b"\x00\xff"]
)
def test_another_encoding_is_named_in_one_line(tmp_path, content):
    (tmp_path / "my.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"my\.yaml is not UTF-8 text: save it as UTF-8$"):
        read_yaml(tmp_path / "my.yaml")


@pytest.mark.parametrize("content", ["", "# nothing\n"])
def test_an_empty_file_says_nothing(tmp_path, content):
    (tmp_path / "my.yaml").write_text(content)
    assert read_yaml(tmp_path / "my.yaml") == {}


def test_anchors_merges_and_a_byte_order_mark_are_read(tmp_path):
    content = "\ufeffa: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n"
    (tmp_path / "my.yaml").write_text(content, encoding="utf-8")
    assert read_yaml(tmp_path / "my.yaml") == {
        "a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}
    }  # fmt: skip
