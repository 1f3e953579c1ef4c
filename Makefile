# make demo: the whole line on the built-in model.  make test: everything that CI checks.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test check types page clean

demo: $(STAMP)
	$(BIN)/monoscope demo

test: $(STAMP) check
	$(BIN)/pytest -n 2

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

# What the explorer's page knows of the API, and the page itself, which the package ships: both need Node.
types: $(STAMP)
	MONOSCOPE_WRITE_OPENAPI=1 $(BIN)/pytest tests/serve/test_schema.py -k types
	cd web && npm ci --silent && npm run types

page:
	cd web && npm ci --silent && npm run check && npm run types && npm run build

# torch comes first and from the constraints, so that no resolver picks a build with gigabytes of CUDA.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

clean:
	rm -rf .venv runs .pytest_cache .ruff_cache .import_linter_cache
