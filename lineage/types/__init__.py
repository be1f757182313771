"""The doors between the rooms: frozen values, named after the field's terms, without behaviour of their own."""

from lineage.types.anatomy import Axis, Part
from lineage.types.ancestry import Edge, Lineage, Merge, MergePart, Node, Trace
from lineage.types.answers import Adapted, Addition, Fit, Limits, Null, Relabelled, Timings, UnrelatedComponent, Whois
from lineage.types.checkpoints import Checkpoint, Declared, Meter, ReadAhead, TensorView
from lineage.types.evidence import Comparison, ComponentFinding, Cue, Evidence, Generic, TensorMatch
from lineage.types.index import Hit, ModelRecord
from lineage.types.places import Between, Place, Relative
from lineage.types.policies import (
    Audit,
    Beside,
    Case,
    Certainty,
    Checked,
    Claim,
    Descent,
    Outcome,
    PolicyFinding,
    PolicyVerdict,
    Standing,
    Verification,
)
from lineage.types.sketch import CheckpointSketch, Stats, TensorSketch, Units
from lineage.types.words import AnyArray, Depth, ExpertMap, FloatArray, Relation, Role, Verdict

__all__ = [
    "Adapted",
    "Addition",
    "AnyArray",
    "Audit",
    "Axis",
    "Beside",
    "Between",
    "Case",
    "Certainty",
    "Checked",
    "Checkpoint",
    "CheckpointSketch",
    "Claim",
    "Comparison",
    "ComponentFinding",
    "Cue",
    "Declared",
    "Depth",
    "Descent",
    "Edge",
    "Evidence",
    "ExpertMap",
    "Fit",
    "FloatArray",
    "Generic",
    "Hit",
    "Limits",
    "Lineage",
    "Merge",
    "MergePart",
    "Meter",
    "ModelRecord",
    "Node",
    "Null",
    "Outcome",
    "Part",
    "Place",
    "PolicyFinding",
    "PolicyVerdict",
    "ReadAhead",
    "Relabelled",
    "Relation",
    "Relative",
    "Role",
    "Standing",
    "Stats",
    "TensorMatch",
    "TensorSketch",
    "TensorView",
    "Timings",
    "Trace",
    "Units",
    "UnrelatedComponent",
    "Verdict",
    "Verification",
    "Whois",
]
