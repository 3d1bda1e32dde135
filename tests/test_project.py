"""The papers around the program agree with each other and with it."""

import re

from conftest import ROOT


def requirements(name):
    lines = (ROOT / name).read_text().splitlines()
    return {line.strip() for line in lines if line.strip() and line[0] not in "#-"}


def test_conda_and_pip_install_the_same():
    text = (ROOT / "environment.yml").read_text()
    section = text.partition("- pip:\n")[2]
    assert set(re.findall(r"- (\S+)", section)) == requirements("requirements.txt")


def test_the_version_is_in_the_changes():
    from style_transfer.settings import VERSION

    assert f"## {VERSION}" in (ROOT / "CHANGES.md").read_text()


def test_the_readme_names_the_two_commands_and_pictures_that_exist():
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme and "make test" in readme
    for path in re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", readme):
        assert (ROOT / "".join(path)).exists(), path
