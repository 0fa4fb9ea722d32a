"""The code hash: a change of code changes it, a change of words does not."""

import textwrap

import pytest

from workflow_src.common import code_hash as closure
from workflow_src.study import registries


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

    def forget():
        for cached in (closure._files, closure._parsed, closure.code_hash):
            cached.cache_clear()

    def hash_of(name, *members):
        forget()
        return closure.code_hash(f"workflow_src.{name}", *members)

    write("script", "from workflow_src.library import f\n\n\ndef main():\n    return f(1)\n")
    write("library", '"""Words."""\n\n\ndef f(x):\n    """More words."""\n    return x + 1\n')
    write("other", "y = 1\n")
    yield write, hash_of
    forget()


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


def registry(*members: str) -> str:
    """The text of a registry of functions of the same name in `library` and `other`."""
    return f"MEMBERS = { ({m: f'workflow_src.{m}:f' for m in members}) }\n"


def test_a_new_member_of_a_registry_changes_nothing_that_the_others_made(package):
    write, hash_of = package
    write("script", "def main():\n    from workflow_src.study.registries import MEMBERS\n")
    write("study/registries", registry("library"))
    before = hash_of("script", "workflow_src.library:f")
    write("study/registries", registry("library", "other"))
    assert hash_of("script", "workflow_src.library:f") == before


def test_a_member_counts_for_the_script_that_runs_it_alone(package):
    write, hash_of = package
    write("script", "def main():\n    from workflow_src.study.registries import MEMBERS\n")
    write("study/registries", registry("library", "other"))
    write("below", "z = 1\n")
    write("library", "from workflow_src.below import z\n\n\ndef f(x):\n    return x + z\n")
    ours, theirs = "workflow_src.library:f", "workflow_src.other:f"
    before = {place: hash_of("script", place) for place in (ours, theirs)}
    plain = hash_of("script")
    assert len({plain, *before.values()}) == 3
    assert hash_of("script", "workflow_src.library:g") != before[ours]  # same code, other member
    write("below", "z = 2\n")
    assert hash_of("script", ours) != before[ours]
    assert hash_of("script", theirs) == before[theirs] and hash_of("script") == plain


def test_neither_order_nor_repetition_of_members_matters(package):
    write, hash_of = package
    one, two = "workflow_src.library:f", "workflow_src.other:f"
    assert hash_of("script", one, two) == hash_of("script", two, one, one)


def test_the_real_registries_are_left_out_and_their_members_are_there():
    assert closure.file_of(closure.REGISTRIES).is_file()
    script = "workflow_src.train_segmenter"
    for registry_ in (registries.WEIGHTINGS, registries.SEGMENTERS, registries.RAW_FORMATS):
        assert len({closure.code_hash(script, p) for p in registry_.values()}) == len(registry_)
    found = closure.modules_of(script)
    assert (
        "workflow_src.study.registries" in found and "workflow_src.segmentation.order" not in found
    )
    assert "workflow_src.diffusion.law" not in closure.modules_of("workflow_src.train_controlnet")


def test_the_real_scripts_have_their_library_in_the_hash():
    found = closure.modules_of("workflow_src.train_controlnet")
    assert "workflow_src.diffusion.weighting" in found
    assert "workflow_src.segmentation.order" not in found
