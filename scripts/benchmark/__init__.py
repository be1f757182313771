"""The ancestry graph compared with the truth: one module a question, put together by benchmark_lineage.py."""
