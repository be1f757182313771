"""The library surface: one verb for each command, and the upkeep of an index."""

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.api.audits import audit, gate, read_rules, verify
    from lineage.api.graphs import graph, relatives
    from lineage.api.indexes import Listed, default_index, doctor, find, index_id, models, rebuild, remove, show
    from lineage.api.ingesting import Ingested, fill, ingest
    from lineage.api.lines import descendants, trace
    from lineage.api.pools.local import Interrupted
    from lineage.api.preparing import prepared
    from lineage.api.queries import as_answer, compare, decompose, handed_over, not_tested, whois
    from lineage.api.sketching import Watch, save_sketch, sketch
    from lineage.api.tokenizers import compare_tokenizer_files, is_tokenizer, tokenizer, whois_tokenizer
    from lineage.api.travelling import drop_layer, export, import_index, layers_of, pull
    from lineage.api.watching import Pace, watch_folder

__all__ = [
    "Ingested", "Interrupted", "Listed", "Pace", "Watch",
    "as_answer", "audit", "compare", "compare_tokenizer_files", "decompose", "default_index", "descendants",
    "doctor", "drop_layer", "export", "fill", "find", "gate", "graph", "handed_over", "import_index", "index_id",
    "ingest", "is_tokenizer", "layers_of", "models", "not_tested", "prepared", "pull", "read_rules", "rebuild",
    "relatives", "remove", "save_sketch", "show", "sketch", "tokenizer", "trace", "verify", "watch_folder", "whois",
    "whois_tokenizer",
]  # fmt: skip

__getattr__ = names_of(
    __name__,
    {
        "Ingested": "ingesting", "Interrupted": "pools.local", "Listed": "indexes", "Pace": "watching",
        "Watch": "sketching", "watch_folder": "watching",
        "as_answer": "queries", "audit": "audits", "compare": "queries", "compare_tokenizer_files": "tokenizers",
        "is_tokenizer": "tokenizers", "tokenizer": "tokenizers", "whois_tokenizer": "tokenizers",
        "decompose": "queries",
        "default_index": "indexes", "descendants": "lines", "doctor": "indexes", "fill": "ingesting",
        "find": "indexes", "gate": "audits", "graph": "graphs", "handed_over": "queries", "index_id": "indexes",
        "ingest": "ingesting", "models": "indexes",
        "not_tested": "queries", "prepared": "preparing", "read_rules": "audits",
        "rebuild": "indexes", "relatives": "graphs",
        "remove": "indexes", "save_sketch": "sketching", "show": "indexes", "sketch": "sketching", "trace": "lines",
        "drop_layer": "travelling", "export": "travelling", "import_index": "travelling", "layers_of": "travelling",
        "pull": "travelling", "verify": "audits", "whois": "queries",
    },
)  # fmt: skip
