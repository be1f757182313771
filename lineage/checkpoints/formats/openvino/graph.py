"""The graph of an IR: layers and the edges between them, from XML that is parsed with no document type and no entities.

Format: https://docs.openvino.ai/2025/documentation/openvino-ir-format.html (versions 10 and 11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from lineage.checkpoints.io.bytes import ByteSource, read
from lineage.checkpoints.io.quoting import quoted, reason
from lineage.errors import Malformed, Truncated, UnsupportedFormat

MAX_XML = 64 << 20  # bytes; those of language models take about 5 MB
MAX_LAYERS = 1 << 18
MAX_EDGES = 1 << 19
MAX_NESTING = 64
VERSIONS = range(10, 12)
_CHUNK = 1 << 20
_OUTERMOST = "net"
_GRAPHS = frozenset({_OUTERMOST, "body", "then_body", "else_body"})


@dataclass(slots=True)
class Layer:
    """A node: its attributes (`data`), and the shape of its output if it is static."""

    name: str
    type: str
    data: Mapping[str, str] = field(default_factory=dict)
    output: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Graph:
    """Layers by id; `inputs` are the layers that one reads, by port, `readers` (layer, port) of those that read one."""

    layers: dict[str, Layer] = field(default_factory=dict)
    inputs: dict[str, dict[int, str]] = field(default_factory=dict)
    readers: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def only_reader(self, layer: str) -> tuple[str, int] | None:
        """The layer that reads another, and at which port, if there is only one."""
        found = self.readers.get(layer, [])
        return found[0] if len(found) == 1 else None


def read_graphs(file: ByteSource) -> list[Graph]:
    """The graph of a file, and those in its loops and branches. Raises Truncated, Malformed, UnsupportedFormat."""
    if file.size > MAX_XML:
        raise Malformed(file.path, f"is {file.size:,} bytes long, more than the {MAX_XML:,} allowed for it")
    walk, parser = _Walk(file.path), expat.ParserCreate()
    parser.StartElementHandler = walk.start
    parser.EndElementHandler = walk.end
    parser.CharacterDataHandler = walk.text
    parser.StartDoctypeDeclHandler = walk.refuse
    try:
        for position in range(0, file.size, _CHUNK):
            parser.Parse(read(file, position, min(_CHUNK, file.size - position)), False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise _damaged(file.path, error) from error
    except (LookupError, ValueError) as error:  # an encoding that Python does not have, or of several bytes
        raise Malformed(file.path, f"is XML in an encoding that is not read: {reason(error)}") from error
    return walk.graphs


def _damaged(path: Path, error: expat.ExpatError) -> Truncated | Malformed:
    what = expat.ErrorString(error.code)
    if error.code in {3, 5}:  # no element found, unclosed token
        return Truncated(path, f"ends inside its XML ({what}): download it again")
    return Malformed(path, f"is damaged in line {error.lineno:,} ({what}): download it again")


class _Walk:
    """Takes up what is in an element as it begins or ends."""

    def __init__(self, path: Path) -> None:
        self.graphs: list[Graph] = []
        self._path = path
        self._open: list[str] = []
        self._inner: list[Graph] = []
        self._layers: list[Layer] = []
        self._side = ""
        self._count = self._edges = 0

    def refuse(self, *_: object) -> None:
        raise Malformed(self._path, "declares a document type, which no IR does: refused")

    def start(self, tag: str, given: dict[str, str]) -> None:
        if not self._open:
            self._check_root(tag, given)
        self._open.append(tag)
        if len(self._open) > MAX_NESTING:
            raise Malformed(self._path, f"nests its elements more than {MAX_NESTING} deep")
        if tag in _GRAPHS:
            self._inner.append(Graph())
            self.graphs.append(self._inner[-1])
        elif tag == "layer":
            self._begin_layer(given)
        elif tag == "data" and self._open[-2] == "layer":
            self._layers[-1].data = given
        elif tag == "port" and self._open[-2] == "output" and self._layers:
            self._layers[-1].output.clear()
        elif tag == "edge":
            self._add_edge(given)

    def text(self, text: str) -> None:
        if self._layers and self._open[-1:] == ["dim"] and self._open[-3:-2] == ["output"] and len(self._side) < 20:
            self._side += text

    def end(self, tag: str) -> None:
        self._open.pop()
        if tag in _GRAPHS:
            self._inner.pop()
        elif tag == "layer":
            self._layers.pop()
        elif tag == "dim" and self._layers:
            side, self._side = self._side.strip(), ""
            self._layers[-1].output.append(int(side) if side.isascii() and side.isdigit() else -1)

    def _check_root(self, tag: str, given: dict[str, str]) -> None:
        if tag != _OUTERMOST:
            raise Malformed(self._path, f"is XML of something else: it begins with {quoted(tag)}")
        version = given.get("version", "")
        if version not in map(str, VERSIONS):
            raise UnsupportedFormat(
                self._path, f"is OpenVINO IR version {quoted(version)}; 10 and 11 are read: convert the model again"
            )

    def _begin_layer(self, given: dict[str, str]) -> None:
        self._count += 1
        identity = given.get("id")
        if not self._inner or identity is None or identity in self._inner[-1].layers:
            raise Malformed(self._path, f"layer {quoted(given.get('name', ''))} has no id of its own")
        if self._count > MAX_LAYERS:
            raise Malformed(self._path, f"holds more than {MAX_LAYERS:,} layers")
        self._layers.append(Layer(given.get("name", ""), given.get("type", "")))
        self._inner[-1].layers[identity] = self._layers[-1]

    def _add_edge(self, given: dict[str, str]) -> None:
        source, target, port = (given.get(key, "") for key in ("from-layer", "to-layer", "to-port"))
        if not self._inner or not (port.isascii() and port.isdigit() and len(port) < 10):
            raise Malformed(self._path, "has an edge that leads nowhere")
        self._edges += 1
        if self._edges > MAX_EDGES:
            raise Malformed(self._path, f"holds more than {MAX_EDGES:,} edges")
        self._inner[-1].inputs.setdefault(target, {})[int(port)] = source
        self._inner[-1].readers.setdefault(source, []).append((target, int(port)))
