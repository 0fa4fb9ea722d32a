"""The house: steps above stages, stages above data and metrics, all above what a study is."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

SOURCE = ROOT / "workflow_src"
FLOORS = (
    {"common"},
    {"study"},
    {"data", "metrics"},
    {"diffusion", "segmentation", "downstream", "paper", "readiness"},
)
FLOOR_OF = {package: floor for floor, packages in enumerate(FLOORS) for package in packages}
STEPS = len(FLOORS)


def imported(file: Path) -> set[str]:
    """The packages and steps of workflow_src that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "workflow_src":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("workflow_src."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("workflow_src.")
            }
    return names


def test_the_top_level_holds_steps_and_packages_alone():
    packages = {path.name for path in SOURCE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert packages == set(FLOOR_OF)
    for step in set(SOURCE.glob("*.py")) - {SOURCE / "__init__.py"}:
        assert 'if __name__ == "__main__":' in step.read_text(), f"{step.name} cannot be run"


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda f: f.stem)
def test_imports_only_go_down(file):
    first, *rest = file.relative_to(SOURCE).parts
    floor = FLOOR_OF[first] if rest else STEPS
    for name in imported(file) - {first}:
        assert FLOOR_OF.get(name, STEPS) < floor, (
            f"{file.name} imports {name}, on its floor or above"
        )


def test_tests_have_the_folders_of_the_source():
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert folders - {"__pycache__", "workflow"} == set(FLOOR_OF)
