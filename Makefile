# Everything installs into .venv; nothing else on the machine is touched, except that `make test`
# run as root on Debian installs the programs its topology tests drive.
PYTHON ?= python3
BIN := .venv/bin
# The pins hold for the packages that a build needs, too; which of the two variables says so to pip
# depends on its version.
PINS := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
PIP := $(PINS) $(BIN)/pip --disable-pip-version-check -q
WITHOUT_SERVERS := -n 2 --dist loadfile --ignore tests/topology --ignore tests/conformance

.PHONY: demo exactness test test-compiled test-pythons check cover compiled bench programs wheel clean fuzz soak

demo: .venv/demo
	$(BIN)/mirror demo

test: .venv/dev programs check
	$(BIN)/python -m pytest $(WITHOUT_SERVERS)
	$(BIN)/python -m pytest tests/conformance tests/topology
	if command -v cc >/dev/null; then $(MAKE) test-compiled; \
	else echo "test: no C compiler, so the compiled build is not tested"; fi

# The tests that run the data plane as a process, and a replay, once more with the compiled build.
test-compiled: compiled
	PYTHONPATH=build/compiled KAGAMI_PYTHONPATH=build/compiled \
	$(BIN)/python -m pytest tests/conformance tests/mirror/replay/test_generator.py \
	$(addprefix tests/topology/test_,counting.py down.py drain.py exactness.py faults.py reload.py repeats.py)

# What needs no real server once more, with each other Python from 3.11 to 3.14 that is found.
test-pythons:
	sh .ci/pythons $(WITHOUT_SERVERS) -m "not topology"

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

cover: .venv/dev
	$(BIN)/python -m coverage run -m pytest tests -m "not topology"
	$(BIN)/python -m coverage report --show-missing

# The compiled build of the data plane beside the plain one, for benchmarks and its own test run.
compiled: build/compiled

build/compiled: .venv/dev setup.py $(shell find mirror -name '*.py')
	rm -rf build
	KAGAMI_COMPILE=1 $(PIP) install --no-deps --no-build-isolation --target $@ .

# A wheel for machines with this system, processor and minor version of Python: pip installs it
# there without a compiler. Plain Python, and named so, where there is no compiler here.
wheel: .venv/bin/python
	$(PIP) wheel --no-deps --wheel-dir dist .
	ls dist

# Five minutes of made dialogues; SEED=… begins with that one.
fuzz: .venv/dev
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),300) $(if $(SEED),--seed $(SEED))

# A minute of uneven load, counted by everybody who sees it.
exactness: .venv/dev programs
	EXACTNESS_S=60 $(BIN)/python -m pytest -s tests/topology/test_exactness.py

# Ten minutes of faults under load in both modes; SEED=… draws others, SECONDS=… bounds it.
soak: .venv/dev
	$(BIN)/python -m benchmarks.macro.soak --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1)

bench: bench-peers bench-latency bench-connections bench-bodies bench-faults bench-estimate bench-replay bench-schedule bench-capture bench-import bench-series bench-logs bench-micro bench-tables

bench-peers: compiled
	$(BIN)/python -m benchmarks.macro.mirror_vs_peers

bench-latency: compiled
	$(BIN)/python -m benchmarks.macro.latency

bench-connections: compiled
	$(BIN)/python -m benchmarks.macro.connections

bench-bodies: compiled
	$(BIN)/python -m benchmarks.macro.bodies

# FAULTS="shadow,primary slow" measures those anew and leaves the others.
bench-faults: compiled
	$(BIN)/python -m benchmarks.macro.faults $(if $(FAULTS),--faults "$(FAULTS)")

bench-estimate: .venv/dev
	$(BIN)/python -m benchmarks.macro.ground_truth

bench-replay: .venv/dev
	$(BIN)/python -m benchmarks.macro.replay_speed

bench-schedule: .venv/dev
	$(BIN)/python -m benchmarks.macro.replay_schedule

bench-capture: compiled
	$(BIN)/python -m benchmarks.macro.capture_cost

bench-import: .venv/dev
	$(BIN)/python -m benchmarks.macro.import_speed

bench-series: .venv/dev
	$(BIN)/python -m benchmarks.micro.peak_correction

bench-logs: .venv/dev
	$(BIN)/python -m benchmarks.macro.access_log

bench-micro: .venv/dev
	$(BIN)/python -m benchmarks.micro

bench-tables: .venv/dev
	$(BIN)/python -m benchmarks.tables

bench-profile: compiled
	$(BIN)/python -m benchmarks.profile_worker

bench-compare: .venv/dev
	$(BIN)/python -m benchmarks.compare $(OLD) $(NEW)

# Two benchmarks at once would measure each other.
.NOTPARALLEL:

programs:
	sh .ci/programs

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Without its package for environments, Debian's Python leaves half of one behind.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "make: $(PYTHON) is no Python 3.11 or later; name one: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	echo "make: $(PYTHON) makes no virtual environment; on Debian: apt-get install python3-venv"; exit 1; }

.venv/demo: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -e '.[demo]'
	touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -e '.[demo,dev]'
	touch $@
