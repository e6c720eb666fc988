"""The built and installed package: wheel and sdist, type information, and the errors without an extra."""

import email
import json
import os
import re
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest
from support.needs import needs

import keras_lr

pytestmark = [pytest.mark.once, pytest.mark.slow, needs("mypy", "setuptools", "twine")]

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parents[1] / "data"
# The build must not need Keras. It reads the version from the source, without an import.
BUILD = "import sys; sys.modules['keras'] = None; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"


def run(*line, cwd, check=True, **variables):
    hidden = {"PYTHONPATH", "PYTHONWARNINGS", "MYPYPATH"}
    env = {name: value for name, value in os.environ.items() if name not in hidden} | variables
    done = subprocess.run(list(map(str, line)), capture_output=True, text=True, check=False, cwd=cwd, env=env)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def build(kind, source, out):
    run(sys.executable, "-c", BUILD.format(kind), out, cwd=source)


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A folder with the sdist of the tree, and the wheel that is built from that sdist."""
    there = tmp_path_factory.mktemp("packaging")
    lines = (ROOT / ".gitignore").read_text().split()
    anywhere = shutil.ignore_patterns(*(line.strip("/").split("/")[-1] for line in lines if not line.startswith("/")))
    at_the_top = shutil.ignore_patterns(".git", *(line.strip("/") for line in lines if line.startswith("/")))

    def ignored(folder, names):
        return anywhere(folder, names) | (at_the_top(folder, names) if Path(folder) == ROOT else set())

    shutil.copytree(ROOT, there / "tree", ignore=ignored)
    out = there / "dist"
    out.mkdir()
    build("sdist", there / "tree", out)
    with tarfile.open(next(out.glob("*.tar.gz"))) as archive:
        archive.extractall(there / "unpacked", filter="data")
    build("wheel", next((there / "unpacked").iterdir()), out)
    return out


@pytest.fixture(scope="module")
def wheel(dist):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


@pytest.fixture(scope="module")
def python(dist, tmp_path_factory):
    """The interpreter of a new environment with the wheel. It can import the other packages of this environment."""
    there = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", there, cwd=there.parent)
    interpreter = there / "bin" / "python"
    wheel = next(dist.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "--python", interpreter, "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=there)
    own = next((there / "lib").glob("python*/site-packages"))
    (own / "outer.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return interpreter


# The files.


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "keras_lr").rglob("*.py")}
    assert names == sources | {"keras_lr/py.typed", "keras_lr_command.py"}


def test_the_sdist_has_what_a_packager_needs(dist):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    top = {"CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "README.md", "pyproject.toml", "setup.cfg"}
    tests = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")}
    assert (
        top | tests | {"docs/design/index.md", "docs/images/demo.png", "tests/support/migrations.json", ".ci/run"}
        <= names
    )
    assert not [name for name in names if name.endswith(".pyc")]


def test_metadata(metadata):
    read = ConfigParser()
    read.read(ROOT / "setup.cfg")
    assert metadata["Version"] == keras_lr.__version__
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
    assert set(metadata.get_all("Provides-Extra")) == set(read["options.extras_require"])
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_all("Project-URL") is None, "nobody hosts it yet"
    text = metadata.get_payload(decode=True).decode()
    assert text.splitlines()[0] == "# keras_lr"
    assert TARGET.findall(text) == [], "a link that leads nowhere outside the repository"
    required = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert not [line for line in required if not re.fullmatch(r"[\w-]+>=[\d.]+", line)], "each has a lower bound"
    assert not [line for line in required if re.match(r"(tensorflow|jax|torch)", line)], "the backend is the user's"


TARGET = re.compile(r"\]\(([^)\s]+)\)")
"""The target of a link or picture in Markdown."""


def test_links_of_the_readme_lead_to_the_host(dist, tmp_path):
    """Each link of the README leads to an existing file of this version."""
    source = next((dist.parent / "unpacked").iterdir())
    code = "import sys; from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel(sys.argv[1])"
    host = "https://example.org/us/keras_lr"
    run(sys.executable, "-c", code, tmp_path, cwd=source, KERAS_LR_REPOSITORY=f"{host}/")
    found = email.message_from_bytes(next(tmp_path.glob("*.dist-info/METADATA")).read_bytes())
    targets = TARGET.findall(found.get_payload(decode=True).decode())
    written = TARGET.findall((ROOT / "README.md").read_text())
    place = re.compile(rf"{host}/(raw|blob|tree)/v{re.escape(keras_lr.__version__)}/(.*)")
    assert [place.fullmatch(target)[2] for target in targets] == written
    text = found.get_payload(decode=True).decode()
    for attribute, name in {"src": "demo", "srcset": "demo_dark"}.items():
        assert f'{attribute}="{host}/raw/v{keras_lr.__version__}/docs/images/{name}.png"' in text
        assert (ROOT / f"docs/images/{name}.png").is_file()
    for path in written:
        kind = next(place.fullmatch(target)[1] for target in targets if target.endswith(f"/{path}"))
        assert (ROOT / path).is_dir() == (kind == "tree"), path
    assert f"Source, {host}" in found.get_all("Project-URL")


def test_the_version_is_in_the_citation_too():
    stated = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert stated[1] == keras_lr.__version__


def test_twine_has_no_complaints(dist):
    done = run(sys.executable, "-m", "twine", "check", "--strict", *dist.iterdir(), cwd=dist)
    assert done.stdout.count("PASSED") == 2, done.stdout


# The installed package.

FIT = """
import keras, numpy, keras_lr
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(keras_lr.Warmup(keras_lr.LinearDecay(0.5, 6), 2)), loss="mse")
log = keras_lr.LearningRateLogger()
model.fit(numpy.ones((8, 2)), numpy.ones((8, 1)), batch_size=2, epochs=2, verbose=0, callbacks=[log])
print(keras_lr.__file__)
print(log.to_frame().learning_rate.round(4).tolist())
"""


def test_a_fit_with_the_installed_package(python, tmp_path):
    lines = run(python, "-c", FIT, cwd=tmp_path).stdout.splitlines()
    assert Path(lines[-2]).is_relative_to(python.parent.parent)
    assert lines[-1] == "[0.0, 0.25, 0.5, 0.4167, 0.3333, 0.25, 0.1667, 0.0833]"


def test_the_installed_command(python, tmp_path):
    done = run(python.parent / "keras-lr", "list", cwd=tmp_path, COLUMNS="200")
    assert "WarmupStableDecay" in done.stdout


MARK = re.compile(r"# mark: ([\w-]+)$")


@pytest.mark.slow
def test_types_of_the_installed_package(python, tmp_path):
    """A user's file passes `mypy --strict`. In a file with mistakes, mypy reports exactly the marked lines."""
    for name in ("typed_user.py", "wrong_user.py"):
        shutil.copy(DATA / name, tmp_path)
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    options = ["--strict", "--python-executable", python, "--cache-dir", tmp_path / "cache", "--hide-error-context"]
    found = run(sys.executable, "-m", "mypy", *options, "typed_user.py", "wrong_user.py", cwd=tmp_path, check=False)
    errors = set(re.findall(r"^(\w+\.py):(\d+): error: .*\[([\w-]+)\]$", found.stdout, re.MULTILINE))
    lines = (DATA / "wrong_user.py").read_text().splitlines()
    marks = {
        ("wrong_user.py", str(number), mark[1]) for number, line in enumerate(lines, 1) if (mark := MARK.search(line))
    }
    assert errors == marks, found.stdout + found.stderr
    assert len(marks) > 20


# Errors about a missing library

PLOT = 'plotting needs matplotlib: pip install "keras-lr[plot]"'
PARQUET = 'a log in a .parquet file needs pyarrow: pip install "keras-lr[parquet]"'
MISSING = {
    "a curve": ("keras_lr.Constant(0.1).plot(range(10))", PLOT),
    "a comparison": ("keras_lr.Comparison(('a',), TABLE, TABLE).plot()", PLOT),
    "a picture": ("command('show', 'Constant(0.1)', '--plot', 'a.png')", f"keras-lr: {PLOT}"),
    "a plot in the terminal": (
        "command('show', 'Constant(0.1)')",
        'keras-lr: the plot in the terminal needs plotext: pip install "keras-lr[cli]"',
    ),
    "a log to write": ("fit(path='log.parquet')", PARQUET),
    "a log to read": ("command('compare', 'log.parquet')", f"keras-lr: {PARQUET}"),
    "the data of the demo": ("command('demo')", 'keras-lr: the demo needs scikit-learn: pip install "keras-lr[demo]"'),
    "the picture of the demo": (
        "have('sklearn'); command('demo')",
        'keras-lr: the demo needs matplotlib: pip install "keras-lr[demo]"',
    ),
    "the command": ("lack('typer'); command('list')", 'keras-lr: the command needs typer: pip install "keras-lr[cli]"'),
}
BARE = """
import contextlib, io, json, sys

def lack(*names):
    sys.modules.update(dict.fromkeys(names))

def have(name):
    del sys.modules[name]

lack("matplotlib", "plotext", "pyarrow", "sklearn", "dask", "optuna", "keras_tuner", "tensorboard")
import keras, numpy, pandas, keras_lr
from keras_lr.__main__ import main

def command(*words):
    sys.argv = ["keras-lr", *words]
    main()

def fit(**options):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(keras_lr.LinearDecay(0.5, 4)), loss="mse")
    log = keras_lr.LearningRateLogger(**options)
    model.fit(numpy.ones((4, 2)), numpy.ones((4, 1)), batch_size=1, verbose=0, callbacks=[log])
    return log.to_frame().learning_rate.tolist()

ROW = {"schedule": ["a"], "peak": [0.1], "seed": [0], "epoch": [1], "seconds": [1.0], "learning_rate": [0.1]}
TABLE = pandas.DataFrame({**ROW, "loss": [0.5]})
said = {"trained": fit()}
for name, code in json.loads(sys.argv[1]).items():
    heard = io.StringIO()
    try:
        with contextlib.redirect_stderr(heard):
            exec(code)
        said[name] = "no error"
    except ImportError as error:
        said[name] = str(error)
    except SystemExit as left:
        said[name] = [left.code, heard.getvalue().strip()]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The output of a process in which every optional library is missing, and its folder."""
    there = tmp_path_factory.mktemp("bare")
    codes = json.dumps({name: code for name, (code, _) in MISSING.items()})
    return json.loads(run(sys.executable, "-c", BARE, codes, cwd=there).stdout.splitlines()[-1]), there


def test_without_any_extra_the_package_trains(bare):
    assert bare[0]["trained"] == [0.5, 0.375, 0.25, 0.125]


@pytest.mark.parametrize("part", MISSING)
def test_errors_name_the_command_that_installs_a_missing_library(part, bare):
    message = MISSING[part][1]
    assert bare[0][part] == ([2, message] if message.startswith("keras-lr: ") else message)


def test_nothing_is_written_if_a_library_is_missing(bare):
    assert list(bare[1].iterdir()) == []
