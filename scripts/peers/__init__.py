"""What bench_peers.py measures: the files, and other tools that say where weights come from."""
