"""The extra `weight-lineage[fast]` for tests, built from its source; skips where there is no compiler or no AVX-512."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[1] / "fast" / "_rows.c"


def compiled_part() -> ModuleType:
    """The compiled module, whatever is installed."""
    module = _built()
    if module is None:
        pytest.skip("there is no C compiler, or no headers of Python")
    if not module.usable():
        pytest.skip("this CPU has no AVX-512")
    return module


@cache
def _built() -> ModuleType | None:
    compiler = shutil.which("gcc") or shutil.which("clang")
    headers = Path(sysconfig.get_path("include"))
    if compiler is None or not (headers / "Python.h").is_file() or sys.platform == "win32":
        return None
    folder = Path(mkdtemp(prefix="lineage-fast-"))
    target = folder / "_rows.abi3.so"
    flags = ["-O3", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]
    if sys.platform == "darwin":
        flags += ["-undefined", "dynamic_lookup"]
    try:
        subprocess.run([compiler, *flags, f"-I{headers}", str(SOURCE), "-o", str(target)], check=True)
        spec = importlib.util.spec_from_file_location("_rows", target)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        shutil.rmtree(folder)
    return module
