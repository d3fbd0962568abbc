# Everything installs into .venv; nothing else on the machine is touched, except that `make test`
# run as root on Debian installs the programs its topology tests drive.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check -q

.PHONY: demo test check cover bench programs clean

demo: .venv/demo
	$(BIN)/mirror demo

test: .venv/dev programs check
	$(BIN)/python -m pytest

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

cover: .venv/dev
	$(BIN)/python -m coverage run -m pytest tests -m "not topology"
	$(BIN)/python -m coverage report --show-missing

bench: bench-peers bench-latency bench-connections bench-bodies bench-micro bench-tables

bench-peers: .venv/dev
	$(BIN)/python -m benchmarks.macro.mirror_vs_peers

bench-latency: .venv/dev
	$(BIN)/python -m benchmarks.macro.latency

bench-connections: .venv/dev
	$(BIN)/python -m benchmarks.macro.connections

bench-bodies: .venv/dev
	$(BIN)/python -m benchmarks.macro.bodies

bench-micro: .venv/dev
	$(BIN)/python -m benchmarks.micro

bench-tables: .venv/dev
	$(BIN)/python -m benchmarks.tables

bench-profile: .venv/dev
	$(BIN)/python -m benchmarks.profile_worker

bench-compare: .venv/dev
	$(BIN)/python -m benchmarks.compare $(OLD) $(NEW)

# Two benchmarks at once would measure each other.
.NOTPARALLEL:

programs:
	sh .ci/programs

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[demo]'
	touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[demo,dev]'
	touch $@
