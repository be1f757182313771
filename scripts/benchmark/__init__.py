"""The ancestry graph held against what is known: one module a question, put together by benchmark_lineage.py."""
