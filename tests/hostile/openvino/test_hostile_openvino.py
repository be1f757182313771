"""IRs that someone made to hurt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints.formats.openvino import graph
from lineage.errors import CheckpointError, Malformed, NoWeights, Truncated, UnsupportedDtype
from tests.hostile_files import refused
from tests.openvino_files import Net

MATRIX = np.ones((4, 6), np.float32)
LAUGHS = '<!DOCTYPE net [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def constant(**changes: str) -> Net:
    net = Net()
    net.constant("w", MATRIX, **changes)
    return net


def save(folder: Path, xml: bytes, values: bytes = MATRIX.tobytes()) -> Path:
    (folder / "net.xml").write_bytes(xml)
    (folder / "net.bin").write_bytes(values)
    return folder / "net.xml"


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"offset": "1"}, Truncated, "ends at byte 97 of 96"),
        ({"offset": "9" * 19}, Truncated, "'w' ends at byte"),
        ({"offset": "9" * 4000}, Malformed, "'w' no shape, offset or size"),
        ({"offset": "-4"}, Malformed, "'w' no shape, offset or size"),
        ({"size": "²"}, Malformed, "'w' no shape, offset or size"),
        ({"size": "90"}, Malformed, "'w' has 90 bytes, which its shape does not take"),
        ({"shape": "4, -6"}, Malformed, "'w' no shape, offset or size"),
        ({"shape": "1099511627776, 1099511627776"}, Malformed, "overflows"),
        ({"shape": ", ".join(["1"] * 40)}, Malformed, "has 40 dimensions"),
        ({"element_type": "f12"}, UnsupportedDtype, "is of type 'f12', unknown here"),
        ({"element_type": "string"}, NoWeights, "holds no weights"),
        ({"shape": "0"}, NoWeights, "holds no weights"),
    ],
)
def test_a_constant_that_lies(changes: dict[str, str], kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    refused(save(tmp_path, constant(**changes).xml()), kind, said)


@pytest.mark.parametrize("before", [LAUGHS, OUTSIDE, "<!DOCTYPE net>"])
def test_document_types_are_refused_before_anything_is_expanded(before: str, tmp_path: Path) -> None:
    refused(save(tmp_path, constant().xml(before=before)), Malformed, "declares a document type")


NET = b'<?xml version="1.0"?><net version="11">'


@pytest.mark.parametrize(
    ("xml", "kind", "said"),
    [
        (NET + b"<a>" * 100 + b"</a>" * 100 + b"</net>", Malformed, "nests its elements more than 64 deep"),
        (NET + b"<a>" * 100_000, Malformed, "nests its elements more than 64 deep"),
        (NET + b'<layers><layer id="1"/><layer id="1"/></layers></net>', Malformed, "has no id of its own"),
        (NET + b"<layers><layer/></layers></net>", Malformed, "has no id of its own"),
        (NET + b'<edges><edge from-layer="1" to-layer="2" to-port="x"/></edges></net>', Malformed, "leads nowhere"),
        (NET + b"<output><port><dim>5</dim></port></output></net>", NoWeights, "holds no weights"),
        (NET + b"<layers>" + b"&a;" * 9 + b"</layers></net>", Malformed, "undefined entity"),
        (NET.replace(b"?>", b' encoding="rot13"?>') + b"</net>", Malformed, "encoding that is not read"),
        (NET.replace(b"?>", b' encoding="cp949"?>') + b"</net>", Malformed, "encoding that is not read"),
        (NET + b"\xff\xfe</net>", Malformed, "is damaged in line 1"),
        (NET + b"</net><net/>", Malformed, "junk after document"),
        (NET + b'<layers><layer id="1" name="', Truncated, "ends inside its XML"),
    ],
)
def test_xml_that_is_not_a_graph(xml: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    refused(save(tmp_path, xml), kind, said)


def test_edges_in_circles_end(tmp_path: Path) -> None:
    net = constant()
    for kind in ("Convert", "Reshape", "Convert"):
        net.layer("c", kind, [0])
    net.edges = [
        f'<edge from-layer="{a}" to-layer="{b}" to-port="0"/>' for a, b in ((0, 1), (1, 2), (2, 3), (3, 1), (9, 0))
    ]
    assert save(tmp_path, net.xml()).exists()
    from lineage.checkpoints import open_checkpoint

    assert [view.name for view in open_checkpoint(tmp_path / "net.xml").tensors] == ["w"]


@pytest.mark.parametrize("limit", ["MAX_LAYERS", "MAX_EDGES", "MAX_XML"])
def test_more_than_any_model_has(limit: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(graph, limit, 3)
    net = constant()
    for _ in range(5):
        net.layer("c", "Convert", [0])
    refused(save(tmp_path, net.xml()), Malformed, "more than 3 (layers|edges)|more than the 3 allowed")


def test_values_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "values").write_bytes(MATRIX.tobytes())
    (tmp_path / "in" / "net.xml").write_bytes(constant().xml())
    (tmp_path / "in" / "net.bin").symlink_to(tmp_path / "values")
    refused(tmp_path / "in" / "net.xml", Malformed, "lies outside the folder")
