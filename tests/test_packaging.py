"""What a user installs: archives, their contents, and a machine without compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from websockets.version import version


ROOT = Path(__file__).parents[1]
SOURCES = "CHANGELOG.md LICENSE MANIFEST.in Makefile README.md pyproject.toml setup.py"
FOLDERS = "benchmarks docs examples native src tests tools"


def python(*args, **environment):
    """Run this Python to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, args)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def source_archive(tmp_path_factory):
    """Build the source archive from a copy, which leaves the tree as it is."""
    copy = tmp_path_factory.mktemp("copy")
    for name in SOURCES.split():
        shutil.copy(ROOT / name, copy)
    leftovers = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
    for name in FOLDERS.split():
        shutil.copytree(ROOT / name, copy / name, ignore=leftovers)
    folder = tmp_path_factory.mktemp("sdist")
    python("-m", "build", "--sdist", "--no-isolation", "--outdir", folder, copy)
    (archive,) = folder.iterdir()
    return archive


def install(archive, folder, **environment):
    """Install an archive into a folder, with what is in this environment."""
    return python(
        *("-m", "pip", "--disable-pip-version-check", "--verbose", "install"),
        *("--no-deps", "--no-build-isolation", "--no-cache-dir"),
        *("--target", folder, archive),
        **environment,
    )


def test_source_archive(source_archive):
    """The source archive has what building and testing need, and no more."""
    assert source_archive.name == f"websockets-{version}.tar.gz"
    with tarfile.open(source_archive) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "README.md", "pyproject.toml", "setup.py", "Makefile"}
    wanted |= {"src/websockets/py.typed", "src/websockets/speedups.pyi"}
    wanted |= {f"native/{path.name}" for path in (ROOT / "native").iterdir()}
    wanted |= {"tests/conftest.py", "examples/quick_start.py", "tools/find-python"}
    wanted |= {"benchmarks/__main__.py", "benchmarks/peer/main.c"}
    assert wanted <= names
    assert not [name for name in names if name.endswith((".so", ".pyc"))]


def test_wheel(source_archive, tmp_path):
    """A wheel built from the archive holds the package and nothing beside it."""
    python(
        *("-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps"),
        *("--no-build-isolation", "--wheel-dir", tmp_path, source_archive),
    )
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (name,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    assert {name.split("/")[0] for name in names} == {
        "websockets",
        f"websockets-{version}.dist-info",
    }
    assert {"websockets/py.typed", "websockets/speedups.pyi"} <= set(names)
    modules = {path.relative_to(ROOT / "src") for path in ROOT.glob("src/**/*.py")}
    assert {path.as_posix() for path in modules} <= set(names)
    assert [name for name in names if name.startswith("websockets/speedups.c")]
    assert metadata["Name"] == "websockets"
    assert metadata["Version"] == version == "18.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "BSD-3-Clause"
    # Zero dependencies: whatever is required belongs to an extra.
    requirements = metadata.get_all("Requires-Dist", [])
    assert [text for text in requirements if "extra ==" not in text] == []


@pytest.mark.parametrize("compiler", ["/bin/false", "/no/such/compiler"])
def test_without_a_compiler(source_archive, tmp_path, compiler):
    """When the compiler fails or is missing, the Python twin is installed."""
    folder = tmp_path / "site"
    install(source_archive, folder, CC=compiler)
    assert not list(folder.glob("websockets/speedups.c*"))
    program = (
        "import websockets, websockets._codec as codec, websockets.frames as frames;"
        "print(websockets.__file__, codec.NATIVE);"
        "print(frames.Frame(frames.Opcode.TEXT, b'Hello').serialize(mask=False).hex())"
    )
    where = os.fspath(folder)
    output = python("-c", program, PYTHONPATH=where, WEBSOCKETS_NO_SPEEDUPS="")
    expected = [f"{folder / 'websockets' / '__init__.py'} False", "810548656c6c6f"]
    assert output.splitlines() == expected
