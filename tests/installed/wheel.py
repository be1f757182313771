"""The wheel of this tree in an environment of its own, with what it needs and no extra, as `pip install` leaves it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "installed"
IN_THE_WHEEL = ("pyproject.toml", "README.md", "LICENSE", "lineage", "index")
OFFLINE = re.compile("No matching distribution|ConnectionError|ConnectTimeout|NewConnectionError|name resolution")
NO_INDEX = "the wheel cannot be installed: pip reaches no package index"
BINARIES = "Scripts" if os.name == "nt" else "bin"

# Warnings are errors there too, but for what faiss's types say as they are made (pyproject.toml has the same).
WARNINGS = "error,ignore:builtin type:DeprecationWarning"


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Installed:
    """The environment. Whoever works in it has a home of their own in the folder where they work."""

    environment: Path

    def lineage(self, *words: object, cwd: Path) -> Ended:
        """Run the command, each time in a process of its own."""
        return self._ended([self.environment / BINARIES / "lineage", *words], cwd)

    def python(self, *words: object, cwd: Path) -> Ended:
        """Run the interpreter of the environment."""
        return self._ended([_python(self.environment), *words], cwd)

    def _ended(self, words: list[object], cwd: Path) -> Ended:
        hidden = ("PYTHON", "COVERAGE_", "COV_", "LINEAGE_", "HF_", "PYTEST_")  # nothing of this process helps that one
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        homes = ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
        settings = kept | dict.fromkeys(homes, str(cwd / "home")) | {"PYTHONWARNINGS": WARNINGS, "COLUMNS": "100"}
        done = subprocess.run(
            [str(word) for word in words],
            cwd=cwd,
            env=settings,
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=300,
        )
        return Ended(done.returncode, done.stdout, done.stderr)


def install() -> Path:
    """Build and install what the tree holds, once for each content; return the environment.

    Where no package index answers, the tests are skipped, and fail in CI.
    """
    PLACE.mkdir(parents=True, exist_ok=True)
    environment, needs, holds = PLACE / "environment", PLACE / "needs", PLACE / "holds"
    with FileLock(PLACE / "lock"):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        needed = f"{sys.version} {project['dependencies']}"
        if not _says(needs, needed):
            holds.unlink(missing_ok=True)
            shutil.rmtree(environment, ignore_errors=True)
            venv.create(environment)
        held = _digest([file for part in IN_THE_WHEEL for file in _files(ROOT / part)])
        if not _says(holds, held):
            holds.unlink(missing_ok=True)
            _install_wheel(environment, whole=not _says(needs, needed))
            needs.write_text(needed)
            holds.write_text(held)
    return environment


def _install_wheel(environment: Path, *, whole: bool) -> None:
    """Install the wheel, and where nothing is there yet the `whole` of what it needs."""
    wheels = PLACE / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    _pip("wheel", "--no-deps", "--wheel-dir", wheels, ROOT)
    (wheel,) = wheels.glob("*.whl")
    alone = () if whole else ("--no-deps", "--force-reinstall")
    _pip("--python", _python(environment), "install", *alone, wheel)


def _pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *(str(word) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    if not OFFLINE.search(done.stderr):
        pytest.fail(f"pip {words[0]} failed with code {done.returncode}\n{done.stderr}", pytrace=False)
    if os.environ.get("CI"):
        pytest.fail(f"{NO_INDEX}, and CI does not go without\n{done.stderr}", pytrace=False)
    pytest.skip(NO_INDEX)


def _python(environment: Path) -> Path:
    return environment / BINARIES / ("python.exe" if os.name == "nt" else "python")


def _says(stamp: Path, text: str) -> bool:
    return stamp.is_file() and stamp.read_text() == text


def _files(part: Path) -> list[Path]:
    found = sorted(part.rglob("*")) if part.is_dir() else [part]
    return [file for file in found if file.is_file() and "__pycache__" not in file.parts]


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(ROOT).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()
