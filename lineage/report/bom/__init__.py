"""Ancestry in the formats of bills of materials, attestations and model cards: plain JSON and YAML, no clock.

Each module has `render(lineage) -> bytes`, which holds every node and edge. Where the graph is about one model, so is
the statement; otherwise it is about all of them. Untrusted text is escaped as on the screen (`words.plain`).
"""
