# Two commands are enough to begin: `make demo` and `make test`. Needs Python 3.11 or later and make.

PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := .venv/ready

.PHONY: demo test suite coverage lint alone milvus docs real bench fuzz soak ray clean

demo: $(READY)  ## ask what a public fine-tune descends from
	model=$$($(BIN)/python scripts/fetch_real.py sre-embedding-model) && $(BIN)/lineage whois "$$model"

test: lint suite  ## style, types, import contracts, and all tests

suite: $(READY)  ## all tests in random order
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

coverage: $(READY)  ## the same, with the branches that they cover; a third slower
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --cov

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

alone: $(READY)  ## each test file in a process of its own; SAMPLE="--sample 8" takes some, others at each commit
	$(BIN)/python scripts/alone.py $(SAMPLE)

milvus: $(READY)  ## the tests of an index on a Milvus server, which is installed and started for them
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[milvus]' 'milvus==2.3.5'
	LINEAGE_TEST_MILVUS=package $(BIN)/python -m pytest tests/contract/test_index.py \
		tests/contract/test_index_on_a_server.py tests/cli/test_milvus.py

docs: $(READY)  ## the documentation site, in build/site; warnings are errors
	$(BIN)/python -m sphinx --quiet --fail-on-warning docs build/site
	@echo "build/site/index.html"

real: $(READY)  ## check the answers on real checkpoints (downloads about 500 MB once)
	$(BIN)/python scripts/check_real.py

bench: $(READY)  ## time the sketches on a 2 GB checkpoint, on disk and at a server
	$(BIN)/python scripts/bench_ingest.py --results docs/results.md
	$(BIN)/python scripts/bench_start.py --results docs/results.md
	$(BIN)/python scripts/bench_report.py --results docs/results.md
	$(BIN)/python scripts/bench_remote.py --results docs/results.md

fuzz: $(READY)  ## read damaged files of every format, a minute each
	$(BIN)/python scripts/fuzz.py --seconds 60

soak: $(READY)  ## ingest, remove and ask for ten minutes, with kills and a disk that fills
	$(BIN)/python scripts/soak.py --seconds 600

ray: $(READY)  ## tests against a cluster of two nodes; installs Ray, about 80 MB
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[ray]'
	$(BIN)/python -m pytest tests/contract/test_pools.py tests/cli/test_ray.py

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache fuzz-failures

# The stamp is newer than pyproject.toml once the environment holds what it asks for.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "lineage needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,docs]'
	touch $@
