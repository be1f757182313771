"""Readers of other distributions: the example of docs/plugins.md, and what becomes of broken ones."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint, plugins
from lineage.errors import CheckpointError, Malformed, Truncated, UnsupportedFormat
from tests.small_models import saved, trained

PAGE = (Path(__file__).parents[3] / "docs/plugins.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
(ENTRY,) = re.findall(r'```toml\n\[project.entry-points."lineage.readers"\]\n(\w+) = "([\w:]+)"\n```', PAGE)


class Site:
    """A folder on sys.path in which distributions lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, value: str, source: str) -> None:
        module = value.partition(":")[0]
        (self.folder / f"{module}.py").write_text(source, encoding="utf-8")
        about = self.folder / f"{module}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
        plugins.installed.cache_clear()
        (about / "entry_points.txt").write_text(f"[lineage.readers]\n{name} = {value}\n", encoding="utf-8")


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    plugins.installed.cache_clear()
    yield Site(folder)
    plugins.installed.cache_clear()
    for module in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


def plain(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    listed = json.dumps({name: array.shape for name, array in arrays.items()}).encode()
    values = b"".join(array.astype("<f4").tobytes() for array in arrays.values())
    path.write_bytes(b"PLAIN1\n" + listed + b"\n" + values)
    return path


MODEL = {name: array for name, array in trained(1).items() if array.dtype == np.float32}


def test_the_example_of_the_page_reads_its_files(site, tmp_path):
    site.install(*ENTRY, EXAMPLE)
    opened = open_checkpoint(plain(tmp_path / "net.plain", MODEL))
    assert opened.format == "plain"
    assert [view.name for view in opened.tensors] == list(MODEL)
    for view in opened.tensors:
        np.testing.assert_array_equal(view.rows(0, view.shape[0]), MODEL[view.name])


def test_the_example_refuses_what_is_damaged(site, tmp_path):
    site.install(*ENTRY, EXAMPLE)
    path = plain(tmp_path / "net.plain", MODEL)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Truncated, match="ends beyond the file"):
        open_checkpoint(path)
    path.write_bytes(b"PLAIN1\n[1]\n" + bytes(64))
    with pytest.raises(Malformed, match="no line"):
        open_checkpoint(path)


def test_without_the_plugin_the_file_is_of_no_format(tmp_path):
    with pytest.raises(UnsupportedFormat, match="is not a safetensors") as error:
        open_checkpoint(plain(tmp_path / "net.plain", MODEL))
    assert "the plugin" not in str(error.value)


BROKEN = {
    "cannot be imported": ("import no_such_module_of_anyone\n", "ModuleNotFoundError"),
    "ends the process": ("raise SystemExit(3)\n", "SystemExit"),
    "is no Python": ("class (\n", "SyntaxError"),
    "has no such class": ("", "AttributeError"),
    "cannot be made": ("class Reader:\n    def __init__(self, needed): ...\n", "TypeError"),
    "fails when asked": ("class Reader:\n    def recognises(self, head): return 1 / 0\n", "ZeroDivisionError"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_named_in_one_line_and_in_the_way_of_none(kind, site, tmp_path):
    source, error_name = BROKEN[kind]
    site.install("aaa", "brokenweights:Reader", source)
    saved(trained(1), tmp_path / "net.safetensors")
    assert open_checkpoint(tmp_path / "net.safetensors").format == "safetensors"
    (tmp_path / "net.odd").write_bytes(b"ODD" * 100)
    with pytest.raises(UnsupportedFormat) as error:
        open_checkpoint(tmp_path / "net.odd")
    assert "\n" not in str(error.value)
    assert f"the plugin 'aaa' of brokenweights is broken ({error_name}" in str(error.value)
    site.install(*ENTRY, EXAMPLE)  # another one is read beside it
    assert open_checkpoint(plain(tmp_path / "net.plain", MODEL)).format == "plain"


ODD = "class R:\n recognises = lambda s, h: h[:3] == b'ODD'"


@pytest.mark.parametrize("body", ["raise KeyError('\\x1b[31m\\nsecret')", "return None", "return [file]"])
def test_a_plugin_that_fails_on_its_own_file_is_one_line(body, site, tmp_path):
    site.install(
        "odd", "oddweights:R", f"class R:\n recognises = lambda s, h: h[:3] == b'ODD'\n def read(s, file): {body}"
    )
    (tmp_path / "net.odd").write_bytes(b"ODD" * 100)
    with pytest.raises(CheckpointError) as error:
        open_checkpoint(tmp_path / "net.odd")
    assert "the plugin 'odd' of oddweights, which fails on it" in str(error.value)
    assert str(error.value).isprintable()


def test_no_plugin_is_loaded_for_what_is_built_in(site, tmp_path):
    site.install("spy", "spyweights:R", "class R:\n recognises = lambda s, h: True\n read = None")
    saved(trained(1), tmp_path / "net.safetensors")
    assert open_checkpoint(tmp_path / "net.safetensors").format == "safetensors"
    assert "spyweights" not in sys.modules
