"""The papers around the program agree with each other and with it."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from conftest import LONGEST, ROOT
from packaging.requirements import Requirement

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TOOLS = tuple((ROOT / "tools").glob("*.py"))
EXTRAS = PROJECT["optional-dependencies"]


def locked(name):
    """Return the pinned version of each distribution, by its marker, in a requirements file."""
    text = (ROOT / name).read_text()
    assert "://" not in text and "--index" not in text, "it names a host"
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            requirement, *hashes = line.split("--hash=sha256:")
            pin = Requirement(requirement)
            assert [each.operator for each in pin.specifier] == ["=="], line[:60]
            assert hashes and all(re.fullmatch("[0-9a-f]{64}", each.strip()) for each in hashes)
            found.setdefault(pin.name.lower(), set()).add(next(iter(pin.specifier)).version)
    return found


@pytest.mark.parametrize(
    ("name", "extra"),
    [("requirements.txt", "cpu"), ("requirements-gpu.txt", "gpu"), ("requirements-dev.txt", "dev")],
)
def test_the_locked_versions_are_those_that_the_package_asks_for(name, extra):
    pins, base = locked(name), locked("requirements.txt")
    for line in PROJECT["dependencies"] + EXTRAS[extra]:
        wanted = Requirement(line)
        assert all(wanted.specifier.contains(each) for each in pins[wanted.name.lower()]), line
    for distribution in pins.keys() & base.keys():
        assert pins[distribution] == base[distribution], distribution


def test_the_files_that_are_tested_first_are_there():
    assert all((ROOT / "tests" / f"{name}.py").exists() for name in LONGEST)


def test_conda_pip_and_make_ask_for_the_same():
    first, end = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    makefile = (ROOT / "Makefile").read_text()
    conda = (ROOT / "environment.yml").read_text()
    assert f"- python{PROJECT['requires-python']}\n" in conda and "- -r requirements.txt" in conda
    assert f"(3, {first}) <= sys.version_info[:2] <= (3, {int(end) - 1})" in makefile
    assert f"--python-version 3.{first}" in makefile


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("there", "given", "taken"),
    [
        ({"python3": 14, "python3.12": 12}, None, "python3.12 -m venv"),
        ({"python3": 12}, None, "python3 -m venv"),
        ({"python3": 14, "uv": None}, None, "uv venv"),
        ({"python3.11": 11, "python3.13": 13, "uv": None}, "python3.11", "python3.11 -m venv"),
        ({"python3": 10}, None, None),
        ({"python3": 14, "python3.12": 12, "uv": None}, "python3", None),
    ],
)
def test_make_takes_a_python_that_fits(tmp_path, there, given, taken):
    for name, minor in there.items():
        fake = f"import sys; sys.version_info = (3, {minor}, 0);"
        (tmp_path / name).write_text(
            f'#!/bin/sh\n[ "$1" = -c ] && exec "{sys.executable}" -c "{fake} $2"\n'
            f'echo "{name} $*"\n'
        )
        (tmp_path / name).chmod(0o755)
    command = [shutil.which("make"), "-f", ROOT / "Makefile", ".venv/bin/python"]
    command += [f"PYTHON={given}"] if given else []
    run = subprocess.run(
        command, cwd=tmp_path, env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    if taken:
        assert run.returncode == 0 and run.stdout.startswith(taken)
    else:
        assert run.returncode == 2 and run.stdout == "" and "Python 3.11, 3.12" in run.stderr


def test_the_version_is_in_the_changes():
    from style_transfer.settings import VERSION

    assert f"## {VERSION}" in (ROOT / "CHANGES.md").read_text()


def test_the_readme_names_the_two_commands_and_pictures_that_exist():
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme and "make test" in readme
    for path in re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", readme):
        assert (ROOT / "".join(path)).exists(), path


FLOORS = (  # a room imports from its own floor and from those below
    {"commands"},
    {"batches", "server", "exploration", "video"},
    {"optimization", "feedforward"},
    {"reports"},
    {"runs"},
    {"pictures", "networks"},
    {"functions"},
    {"method"},
)
FOUNDATION = {"settings", "validation", "errors", "files", "storage"}  # for all but `method`


def imports_of(path):
    """Return the rooms and libraries that a file imports, at its top or later."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            parts = node.module.split(".")
            if node.module == "style_transfer":
                found |= {each.name for each in node.names}
            else:
                found.add(parts[1] if parts[0] == "style_transfer" else parts[0])
        elif isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
    return found


def test_imports_go_one_way():
    rooms = set().union(*FLOORS)
    for number, floor in enumerate(FLOORS):
        allowed = set().union(*FLOORS[number:])
        for room in floor - {"functions"}:
            for path in (ROOT / "style_transfer" / room).glob("*.py"):
                assert imports_of(path) & rooms <= allowed, path
                if room == "method":
                    assert not imports_of(path) & FOUNDATION, path
    assert imports_of(ROOT / "functions.py") & rooms == {"method"}


def test_nothing_below_the_commands_prints_exits_or_handles_signals():
    for path in (ROOT / "style_transfer").rglob("*.py"):
        if path.parent.name != "commands":
            assert not imports_of(path) & {"click", "signal", "tqdm"}, path
            assert not re.search(r"\bprint\(|sys\.exit|redirect_std", path.read_text()), path


def test_functions_and_files_are_short():
    for path in (*ROOT.glob("*.py"), *(ROOT / "style_transfer").rglob("*.py"), *TOOLS):
        lines = path.read_text().splitlines()
        assert len(lines) <= (250 if path.name == "functions.py" else 350), path
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 40, f"{path}: {node.name}"


def test_no_two_test_files_share_a_name():
    """Pytest imports them by their base name, and refuses the second of two."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py")]
    assert sorted(set(names)) == sorted(names)
