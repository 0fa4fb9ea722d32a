"""Which code a script runs: the modules it imports from here, and one hash over them.

Snakemake knows neither. The rules pass the hash as a parameter, so that a change of the code reruns
what that code made. The hash is taken over the syntax, without comments, docstrings and layout, so
those, and the dates of the files, rerun nothing.

A step imports members of registries by the names in its settings. Its code does not show which, so
they are given beside the script. The registries' own lines are left out: a new member reruns
nothing that the others made.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
ROOT = PACKAGE.parent
REGISTRIES = "workflow_src.study.registries"


@cache
def _files() -> dict[str, Path]:
    """This package's files by the names of their modules, listed once: a plan asks for them a
    thousand times, and a network file system answers slowly.
    """
    files = {file.relative_to(ROOT).with_suffix(""): file for file in PACKAGE.rglob("*.py")}
    return {".".join(path.parts).removesuffix(".__init__"): file for path, file in files.items()}


def file_of(module: str) -> Path | None:
    """The file of a module of this package; None for a name that is not one."""
    return _files().get(module)


@cache
def _parsed(file: Path) -> tuple[str, frozenset[str]]:
    """The bare code of a file and the modules of this package that it imports anywhere."""
    tree = ast.parse(file.read_text())
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            imported |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            _drop_docstring(node)
    ours = frozenset(m for m in imported if m.split(".")[0] == PACKAGE.name and file_of(m))
    return ast.unparse(tree), ours


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        first.value = ast.Constant("")


def modules_of(*modules: str) -> list[str]:
    """All modules of this package that some of them run, themselves among them, sorted.

    Args:
        modules: dotted names, "workflow_src.train_controlnet".

    Raises:
        ModuleNotFoundError: if one of them is not here.
    """
    for module in modules:
        if file_of(module) is None:
            raise ModuleNotFoundError(f"{module} is not a module under {ROOT}")
    found: set[str] = set()
    queue = list(modules)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += _parsed(file_of(name))[1] - found
            parent = name.rpartition(".")[0]  # importing a.b runs a/__init__.py too
            queue += [parent] if parent and file_of(parent) else []
    return sorted(found)


@cache
def code_hash(script: str, *members: str) -> str:
    """Twelve hex digits over the code that a script runs.

    Args:
        script: dotted name, "workflow_src.train_controlnet".
        members: places, "module:attribute", of what its settings name in a registry.
    """
    digest = hashlib.sha256()
    for place in sorted(set(members)):
        digest.update(f"{place}\n".encode())
    for name in modules_of(script, *(place.partition(":")[0] for place in members)):
        if name != REGISTRIES:
            digest.update(f"{name}\n{_parsed(file_of(name))[0]}\n".encode())
    return digest.hexdigest()[:12]
