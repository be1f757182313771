"""The doors between the rooms: frozen values, named after the field's terms, without behaviour of their own."""

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.types.anatomy import Axis, Part
    from lineage.types.ancestry import Descendant, Descendants, Edge, Lineage, Merge, MergePart, Node, Trace
    from lineage.types.answers import (
        Adapted,
        Addition,
        Fit,
        Limits,
        Null,
        Relabelled,
        Timings,
        UnrelatedComponent,
        Whois,
    )
    from lineage.types.checkpoints import SUB_MODELS, Checkpoint, Declared, Meter, ReadAhead, TensorView
    from lineage.types.evidence import (
        Comparison,
        ComponentFinding,
        Cue,
        Evidence,
        Excluded,
        Inherited,
        InheritedPart,
        TensorMatch,
    )
    from lineage.types.index import Hit, Layout, ModelRecord
    from lineage.types.neurons import Neurons
    from lineage.types.places import Between, Place, Relative
    from lineage.types.policies import (
        Audit,
        Beside,
        Case,
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
    from lineage.types.words import AnyArray, Certainty, Depth, Direction, ExpertMap, FloatArray, Relation, Verdict

__all__ = [
    "SUB_MODELS",
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
    "Descendant",
    "Descendants",
    "Descent",
    "Direction",
    "Edge",
    "Evidence",
    "Excluded",
    "ExpertMap",
    "Fit",
    "FloatArray",
    "Hit",
    "Inherited",
    "InheritedPart",
    "Layout",
    "Limits",
    "Lineage",
    "Merge",
    "MergePart",
    "Meter",
    "ModelRecord",
    "Neurons",
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

__getattr__ = names_of(
    __name__,
    {
        "Adapted": "answers", "Addition": "answers", "AnyArray": "words", "Audit": "policies", "Axis": "anatomy",
        "Beside": "policies", "Between": "places", "Case": "policies", "Certainty": "words", "Checked": "policies",
        "Checkpoint": "checkpoints", "CheckpointSketch": "sketch", "Claim": "policies", "Comparison": "evidence",
        "ComponentFinding": "evidence", "Cue": "evidence", "Declared": "checkpoints", "Depth": "words",
        "Descendant": "ancestry", "Descendants": "ancestry", "Descent": "policies", "Direction": "words",
        "Edge": "ancestry", "Evidence": "evidence", "ExpertMap": "words", "Fit": "answers", "FloatArray": "words",
        "Excluded": "evidence", "Hit": "index", "Inherited": "evidence", "InheritedPart": "evidence",
        "Layout": "index", "Limits": "answers", "Lineage": "ancestry", "Merge": "ancestry", "MergePart": "ancestry",
        "Meter": "checkpoints", "ModelRecord": "index", "Neurons": "neurons",
        "Node": "ancestry", "Null": "answers", "Outcome": "policies",
        "Part": "anatomy", "Place": "places", "PolicyFinding": "policies", "PolicyVerdict": "policies",
        "ReadAhead": "checkpoints", "Relabelled": "answers", "Relation": "words", "Relative": "places",
        "SUB_MODELS": "checkpoints", "Standing": "policies", "Stats": "sketch", "TensorMatch": "evidence",
        "TensorSketch": "sketch", "TensorView": "checkpoints", "Timings": "answers", "Trace": "ancestry",
        "Units": "sketch", "UnrelatedComponent": "answers", "Verdict": "words", "Verification": "policies",
        "Whois": "answers",
    },
)  # fmt: skip
