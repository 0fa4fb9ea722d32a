"""The code hash: a change of code changes it, a change of words does not."""

import textwrap

import pytest

from workflow_src.common import code_hash as closure


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `workflow_src` of our own, and a function that hashes a script of it."""
    folder = tmp_path / "workflow_src"
    folder.mkdir()
    monkeypatch.setattr(closure, "PACKAGE", folder)
    monkeypatch.setattr(closure, "ROOT", tmp_path)

    def write(name, text):
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def hash_of(name):
        closure._parsed.cache_clear()
        closure.code_hash.cache_clear()
        return closure.code_hash(f"workflow_src.{name}")

    write("script", "from workflow_src.library import f\n\n\ndef main():\n    return f(1)\n")
    write("library", '"""Words."""\n\n\ndef f(x):\n    """More words."""\n    return x + 1\n')
    write("other", "y = 1\n")
    yield write, hash_of
    closure._parsed.cache_clear()
    closure.code_hash.cache_clear()


def test_comments_docstrings_layout_and_other_modules_change_nothing(package):
    write, hash_of = package
    before = hash_of("script")
    write("library", '"""Other."""\ndef f(x):\n    # why\n    """Else."""\n    return (x +  1)\n')
    write("other", "y = 2\n")
    assert hash_of("script") == before


def test_code_below_changes_it(package):
    write, hash_of = package
    before = hash_of("script")
    write("library", "def f(x):\n    return x + 2\n")
    assert hash_of("script") != before


def test_an_import_inside_a_function_counts(package):
    write, hash_of = package
    write("script", "def main():\n    from workflow_src.other import y\n    return y\n")
    before = hash_of("script")
    write("other", "y = 2\n")
    assert hash_of("script") != before


def test_a_script_that_is_not_there_is_named(package):
    with pytest.raises(ModuleNotFoundError, match="workflow_src.nothing"):
        package[1]("nothing")


def test_the_real_scripts_have_their_library_in_the_hash():
    found = closure.modules_of("workflow_src.train_controlnet")
    assert "workflow_src.diffusion.weighting" in found
    assert "workflow_src.segmentation.order" not in found
