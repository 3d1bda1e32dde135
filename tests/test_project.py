"""The papers around the program agree with each other and with it."""

import re
import tomllib

import pytest
from conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def requirements(name):
    """Return what a requirements file asks for, with the files that it names."""
    found = set()
    for line in (ROOT / name).read_text().splitlines():
        if line.startswith("-r "):
            found |= requirements(line.removeprefix("-r "))
        elif line and line[0] not in "#-":
            found.add(line)
    return found


def distributions(lines):
    return {re.match(r"[\w-]+", line)[0].lower() for line in lines}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("requirements.txt", PROJECT["dependencies"] + EXTRAS["cpu"]),
        ("requirements-gpu.txt", PROJECT["dependencies"] + EXTRAS["gpu"]),
        ("requirements-dev.txt", EXTRAS["dev"]),
    ],
)
def test_the_requirements_are_those_of_the_package(name, wanted):
    assert requirements(name) == set(wanted)


def test_the_lock_has_all_of_them_and_names_no_host():
    locked = requirements("requirements.lock")
    wanted = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
    assert distributions(wanted) <= distributions(locked)
    assert all(re.match(r"[\w-]+==[\w.]+( ;|$)", line) for line in locked)


def test_conda_and_pip_ask_for_the_same():
    conda = (ROOT / "environment.yml").read_text()
    assert f"- python{PROJECT['requires-python']}\n" in conda and "- -r requirements.txt" in conda


def test_the_version_is_in_the_changes():
    from style_transfer.settings import VERSION

    assert f"## {VERSION}" in (ROOT / "CHANGES.md").read_text()


def test_the_readme_names_the_two_commands_and_pictures_that_exist():
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme and "make test" in readme
    for path in re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", readme):
        assert (ROOT / "".join(path)).exists(), path
