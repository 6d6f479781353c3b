# The targets are the memory of the project; `make` lists them.
PYTHON := .venv/bin/python

.PHONY: help setup demo test soak check format bench schema lock
help:
	@echo "make demo    set everything up, then run the bundled task through the whole lane"
	@echo "make test    set everything up, then run the tests"
	@echo "make soak    attack the sandbox at full size, kill runs on both databases; an hour, gigabytes of memory"
	@echo "make check   format, lint, types, import contracts"
	@echo "make bench   measure what DESIGN gives figures for; writes bench.json"
	@echo "make format  let ruff rewrite what it can"
	@echo "make schema  write docs/schema/ from the records"
	@echo "make lock    resolve the lock files again"

setup:
	@scripts/setup

demo: setup
	@$(PYTHON) -m andon demo

test: setup
	@scripts/setup --tests
	@$(PYTHON) -m pytest -n 2 --dist loadgroup $(TESTS)

# One after the other: each takes what a sandbox may take.
soak: setup
	@scripts/setup --tests
	@$(PYTHON) -m pytest -q -n 0 -s -m soak tests/sandbox/test_soak.py tests/line

check: setup
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo

format: setup
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

bench: setup
	@$(PYTHON) -m andon.evals.bench $(if $(ONLY),--only $(ONLY))

schema: setup
	$(PYTHON) scripts/write_schemas.py

# Universal, hashed, without index hosts. `uv.lock` is not used: it names the index.
lock: setup
	.tools/bin/uv pip compile -q pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --upgrade -o requirements.lock
	.tools/bin/uv pip compile -q sandbox/image/toolchain.in --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --upgrade -o sandbox/image/toolchain.lock
	.tools/bin/uv pip compile -q sandbox/image/node.in --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --upgrade -o sandbox/image/node.lock
	.tools/bin/uv pip compile -q scripts/toolchain-pytest8.in --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --upgrade -o scripts/toolchain-pytest8.lock
