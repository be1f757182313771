"""A frozen graph: the weights of a TensorFlow model as constants of its graph, in one file without a header.

Writers: `freeze_graph`, `convert_variables_to_constants`, `retrain.py`, `tf.io.write_graph`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from lineage.checkpoints.decode.non_weights import why_left_out
from lineage.checkpoints.decode.rearranged import turned
from lineage.checkpoints.formats.tf.constants import Constant, locate
from lineage.checkpoints.formats.tf.graph import Graph, read_graphs
from lineage.checkpoints.formats.tf.ranges import CODES, find_range
from lineage.checkpoints.formats.tf.roles import Role, role_of
from lineage.checkpoints.formats.tf.types import NO_NUMBERS, TEXT, TYPES
from lineage.checkpoints.io.byte_sources import Recent
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.io.views import check_name
from lineage.checkpoints.reader import Contents
from lineage.errors import NoWeights
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight, NotRead

WHOLE = NotAWeight("integers-of-graph")
NUMBERS = NotAWeight("numbers-of-graph")
REPEATED = NotAWeight("repeated-value")
NO_RANGE = NotRead("codes-without-range")
UNKNOWN = NotRead("unknown-type")
FEW = 4  # values that a layer or variable has to claim to be weights: colours and the sides of a box have as many
MAX_REPEATED = 64 << 20  # bytes that values not kept in the file may make in all
_WEIGHTS = frozenset({1, 2, 8, 14, 18, 19, 24, 25})
_VARIABLES = frozenset({"VariableV2", "Variable", "VarHandleOp", "AutoReloadVariable"})

_SIZE = rb"[\x80-\xff]{0,4}[\x00-\x7f]"
_NODE = re.compile(rb"\x0a(" + _SIZE + rb")\x0a(" + _SIZE + rb")([A-Za-z0-9.][\w.\\/>-]*)", re.DOTALL)
_OPERATION = re.compile(rb"\x12(?:$|[\x01-\x7f](?:$|[A-Z_]))", re.DOTALL)


class FrozenGraphReader:
    """One graph with the weights in it."""

    def recognises(self, head: bytes) -> bool:
        """A protocol buffer has no magic string: recognised by its first node, whose name and operation come first."""
        first = _NODE.match(head)
        if first is None:
            return False
        node, name = (_varint(size) for size in first.groups()[:2])
        if node < name + 4:
            return False
        if first.end() == len(head):
            return name >= len(first[3])
        return name == len(first[3]) and _OPERATION.match(head, first.end()) is not None

    def read(self, file: PositionedFile) -> Contents:
        """List the constants that are weights. Raises NoWeights for a graph whose variables lie elsewhere."""
        graphs = read_graphs(file)
        weights = _Weights(file)
        for graph in graphs:
            weights.add(graph)
        if not weights.tensors and any(node.op in _VARIABLES for graph in graphs for node in graph.nodes.values()):
            raise NoWeights(file.path, "is a graph whose variables lie in a checkpoint: give its .index instead")
        return Contents("graphdef", tuple(weights.tensors), tuple(weights.left_out))


class _Weights:
    """The constants of a file, separated into weights and the rest."""

    def __init__(self, file: PositionedFile) -> None:
        self.tensors: list[TensorView] = []
        self.left_out: list[tuple[str, Exclusion]] = []
        self._file = file
        self._names = Names()
        self._recent = Recent()
        self._repeated = 0

    def add(self, graph: Graph) -> None:
        """Sort the constants of one graph."""
        shapes = {name: constant.shape for name, constant in graph.constants.items()}
        for name, constant in graph.constants.items():
            role = role_of(graph, name, constant, shapes)
            if _is_number(constant, role):
                continue
            check_name(self._file.path, role.layout.name)
            reason = self._why_left_out(constant, role)
            view = None if reason is not None else self._view(graph, name, constant, role)
            if view is not None:
                self.tensors.append(replace(view, name=self._names.distinct(view.name)))
            else:
                self.left_out.append((role.layout.name, reason or NO_RANGE))

    def _why_left_out(self, constant: Constant, role: Role) -> Exclusion | None:
        if constant.kind in NO_NUMBERS:
            return TEXT
        if constant.kind not in TYPES:
            return UNKNOWN
        if constant.kind not in _WEIGHTS | CODES:
            return WHOLE
        if not role.is_parameter and (constant.count <= FEW or constant.is_cut_short):
            return NUMBERS
        if constant.is_cut_short:
            self._repeated += constant.count * constant.dtype.itemsize
            if self._repeated > MAX_REPEATED:
                return REPEATED
        return why_left_out(role.layout.name)

    def _view(self, graph: Graph, name: str, constant: Constant, role: Role) -> TensorView | None:
        """View the numbers, decoded if they are codes; None for codes without a range."""
        decode = find_range(graph, name) if constant.kind in CODES else None
        if constant.kind in CODES and decode is None:
            return None
        layout = role.layout
        place = replace(locate(self._file, name, constant, self._recent), shape=layout.shape)
        storage = f"{self._file.path.name}@{constant.start}"
        values = turned(layout.name, place, layout.strides, storage, self._recent)
        return decode(values) if decode is not None else values


def _is_number(constant: Constant, role: Role) -> bool:
    """Whether a constant is a shape, an index, a factor or nothing at all, as found among the weights."""
    if constant.kind not in _WEIGHTS | CODES | NO_NUMBERS and len(constant.shape) < 2:
        return True
    return constant.count == 0 or (constant.count == 1 and not role.is_parameter)


def _varint(content: bytes) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(content))
