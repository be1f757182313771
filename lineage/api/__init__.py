"""The library surface: one verb for each command, and the upkeep of an index."""

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.api.audits import audit, gate, read_rules, verify
    from lineage.api.graphs import graph, relatives
    from lineage.api.indexes import Listed, default_index, doctor, find, models, rebuild, remove, show
    from lineage.api.ingesting import Ingested, Interrupted, fill, ingest
    from lineage.api.lines import descendants, trace
    from lineage.api.queries import as_answer, compare, decompose, handed_over, not_tested, whois
    from lineage.api.sketching import Watch, save_sketch, sketch
    from lineage.api.tokenizers import compare_tokenizer_files, is_tokenizer, nearest_known_tokenizer, tokenizer

__all__ = [
    "Ingested", "Interrupted", "Listed", "Watch", "as_answer", "audit", "compare", "compare_tokenizer_files",
    "decompose", "default_index", "descendants", "doctor", "fill", "find", "gate", "graph", "handed_over",
    "ingest", "is_tokenizer", "models", "nearest_known_tokenizer", "not_tested", "read_rules", "rebuild",
    "relatives", "remove", "save_sketch", "show", "sketch", "tokenizer", "trace", "verify", "whois",
]  # fmt: skip

__getattr__ = names_of(
    __name__,
    {
        "Ingested": "ingesting", "Interrupted": "ingesting", "Listed": "indexes", "Watch": "sketching",
        "as_answer": "queries", "audit": "audits", "compare": "queries", "compare_tokenizer_files": "tokenizers",
        "is_tokenizer": "tokenizers", "nearest_known_tokenizer": "tokenizers", "tokenizer": "tokenizers",
        "decompose": "queries",
        "default_index": "indexes", "descendants": "lines", "doctor": "indexes", "fill": "ingesting",
        "find": "indexes", "gate": "audits", "graph": "graphs", "handed_over": "queries",
        "ingest": "ingesting", "models": "indexes",
        "not_tested": "queries", "read_rules": "audits", "rebuild": "indexes", "relatives": "graphs",
        "remove": "indexes", "save_sketch": "sketching", "show": "indexes", "sketch": "sketching", "trace": "lines",
        "verify": "audits", "whois": "queries",
    },
)  # fmt: skip
