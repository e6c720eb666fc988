"""The workflow for a hosted repository does not run here, so the tests check that everything in it exists."""

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
from support.needs import library, needs

yaml = library("yaml")
pytestmark = [pytest.mark.once, needs("yaml")]

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


@pytest.fixture(scope="module")
def workflow():
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def jobs(workflow):
    return workflow["jobs"]


def commands(jobs):
    return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]


def rows():
    """The rows of `.ci/versions`, a program without a suffix."""
    loader = SourceFileLoader("versions", str(ROOT / ".ci" / "versions"))
    module = module_from_spec(spec_from_loader("versions", loader))
    loader.exec_module(module)
    return module.ROWS


def test_each_job_has_a_machine_and_steps_that_do_one_thing(jobs):
    for name, job in jobs.items():
        assert job["runs-on"], name
        assert all(("run" in step) != ("uses" in step) for step in job["steps"]), name
        assert set([job.get("needs", [])] if isinstance(job.get("needs"), str) else job.get("needs", [])) <= set(jobs)


def test_the_matrix_is_that_of_the_program(jobs):
    assert jobs["versions"]["strategy"]["matrix"]["keras"] == list(rows())


def test_each_row_has_its_python(jobs):
    steps = jobs["versions"]["steps"]
    installed = next(step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", ""))
    assert {row.python for row in rows().values()} <= set(installed.split())


def test_every_command_exists(jobs):
    """Each line starts with a command that exists, or runs a Python module that an earlier step installs."""
    words = [line.split() for command in commands(jobs) for line in command.splitlines()]
    assert {line[0] for line in words} == {"bash", "python", "keras-lr"}
    modules = {line[2] for line in words if line[:2] == ["python", "-m"]}
    assert modules <= {"pip", "build", "twine", "mkdocs"}
    assert ["python", "-m", "pip", "install", "build", "twine"] in words
    config = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert "keras-lr = keras_lr_command:main" in config
    assert "mkdocs-material" in config
    (command,) = [line[1:] for line in words if line[0] == "keras-lr"]
    assert f"def {command[0]}(" in (ROOT / "keras_lr" / "command" / "app.py").read_text(encoding="utf-8")


def test_the_pages_are_those_that_are_built(jobs):
    builder = yaml.safe_load((ROOT / "docs" / "builder" / "mkdocs.yml").read_text(encoding="utf-8"))
    (uploaded,) = [step["with"]["path"] for step in jobs["docs"]["steps"] if "pages-artifact" in step.get("uses", "")]
    assert (ROOT / "docs" / "builder" / builder["site_dir"]).resolve() == (ROOT / uploaded).resolve()


def test_every_file_in_a_command_exists(jobs):
    named = {path for command in commands(jobs) for path in re.findall(r"(?:\.ci|docs)/[\w./-]+", command)}
    assert named >= {".ci/run", ".ci/versions", "docs/builder/mkdocs.yml"}
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_only_a_tag_publishes_and_only_that_job_may(workflow, jobs):
    assert jobs["publish"]["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert set(jobs["publish"]["needs"]) == {"check", "versions", "build", "demo"}
    assert workflow["permissions"] == {"contents": "read"}
    assert {name for name, job in jobs.items() if "permissions" in job} == {"publish", "pages"}
    assert "password" not in WORKFLOW.read_text(encoding="utf-8")  # a trusted publisher needs no password


def test_the_installed_extras_exist(jobs):
    from configparser import ConfigParser

    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    named = {extra for command in commands(jobs) for extra in re.findall(r"\[([^\]$]*)\]", command.replace("${{", "$"))}
    extras = {part for names in named for part in names.split(",") if part}
    assert {"jax", "docs"} <= extras
    assert extras <= set(config["options.extras_require"])
    assert set(jobs["demo"]["strategy"]["matrix"]["backend"]) <= set(config["options.extras_require"])
