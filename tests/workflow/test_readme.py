"""The commands of README and guides: each is planned as it stands, and links lead somewhere."""

import importlib
import re
import shlex
import textwrap

import pytest
from conftest import ROOT
from jsonargparse import auto_parser

README = (ROOT / "README.md").read_text()
CLUSTER, OWN_DATA = ((ROOT / "docs" / f"{page}.md").read_text() for page in ("cluster", "own_data"))
PAGES = README + CLUSTER + OWN_DATA
CODE = re.findall(r"(?:^    .*\n)+", PAGES, re.M)
LINES = [line.strip() for line in re.sub(r" \\\n\s+", " ", "".join(CODE)).splitlines()]
COMMANDS = [line.split("  #")[0].strip() for line in LINES if line.startswith("snakemake")]
SCRIPTS = [line for line in LINES if line.startswith("python -m workflow_src.")]
OWN_FILES, ABLATION, OWN_SET = (
    textwrap.dedent(re.search(r"```yaml\n(.*?)```", page, re.S)[1])
    for page in (CLUSTER, README, OWN_DATA)
)


@pytest.fixture(scope="module")
def mine(tmp_path_factory, polyps_raw, kidneys_raw):
    """What the README calls /my/..., as files that are there."""
    folder = tmp_path_factory.mktemp("my")
    for name, target in (("polyps", polyps_raw), ("kits19", kidneys_raw)):
        (folder / name).symlink_to(target)
    (folder / "images").symlink_to(polyps_raw / "TrainDataset")
    (folder / "stable-diffusion-v1-5").mkdir()
    for name in ("inception.pth", "clip.safetensors"):
        (folder / name).touch()
    (folder / "my.yaml").write_text(OWN_FILES.replace("/my/", f"{folder}/"))
    return folder


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_a_command_of_the_pages_is_planned(snakemake, mine, command):
    command = command.replace("/my/", f"{mine}/").replace("my.yaml", f"{mine}/my.yaml")
    code, printed = snakemake("-n", *shlex.split(command)[1:])
    assert code == 0 and "total" in printed, printed[-3000:]
    if str(mine) in command:
        assert not re.search("rule fetch_(polyps|kits19)", printed), printed[-3000:]


@pytest.mark.parametrize("command", SCRIPTS)
def test_a_script_of_the_pages_takes_its_arguments(command):
    _, _, module, *arguments = shlex.split(command)
    parser = auto_parser(importlib.import_module(module).main, as_positional=False)
    parser.parse_args(arguments)


def test_the_readmes_ablation_is_planned(snakemake, tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text(ABLATION)
    code, printed = snakemake("-n", "table4", "--configfile", "config/small.yaml", file)
    assert code == 0 and "method=law_slow" in printed


def test_the_readmes_own_set_is_planned(snakemake, mine, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(OWN_SET.replace("/my/", f"{mine}/"))
    code, printed = snakemake("-n", "table1", "--configfile", "config/small.yaml", file)
    assert code == 0 and "dataset=mine" in printed, printed[-3000:]
    assert "dataset=polyps" not in printed


@pytest.mark.parametrize(
    "page",
    sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("results/*.md")]),
    ids=lambda page: page.name,
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_equations_stand_where_the_readme_says():
    places = re.findall(r"\[(\d+)\]\((workflow_src/[^)#]+)#L(\d+)\)", README)
    assert sorted(int(number) for number, _, _ in places) == list(range(1, 19))
    for number, file, line in places:
        lines = (ROOT / file).read_text().splitlines()
        named = [n for n, text in enumerate(lines, 1) if re.search(rf"\bEq\. {number}\b", text)]
        assert int(line) in named, f"{file} names Eq. {number} on lines {named}, not on {line}"


def test_commands_of_make_are_its_targets():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake ([a-z-]+)", "\n".join(LINES))) | {"demo", "test"}:
        assert re.search(rf"^{target}:", makefile, re.M), target
