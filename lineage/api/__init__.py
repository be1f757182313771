"""The library surface: one verb for each command, and the upkeep of an index."""

from lineage.api.audits import audit, gate, read_rules, verify
from lineage.api.graphs import graph, relatives
from lineage.api.indexes import Listed, default_index, doctor, find, indexes, models, rebuild, remove, show
from lineage.api.ingesting import Ingested, Interrupted, fill, ingest
from lineage.api.lines import descendants, trace
from lineage.api.queries import as_answer, compare, decompose, not_tested, whois
from lineage.api.sketching import Watch, save_sketch, sketch
from lineage.api.tokenizers import compare_tokenizer_files, is_tokenizer, nearest_known_tokenizer, tokenizer

__all__ = [
    "Ingested", "Interrupted", "Listed", "Watch",
    "as_answer", "audit", "compare", "compare_tokenizer_files", "decompose", "default_index", "descendants", "doctor",
    "fill", "find", "gate", "graph", "indexes", "ingest", "is_tokenizer", "models", "nearest_known_tokenizer",
    "not_tested", "read_rules", "rebuild", "relatives", "remove", "save_sketch", "show", "sketch", "tokenizer",
    "trace", "verify", "whois",
]  # fmt: skip
