# Everything is installed into .venv. Nothing else on the machine changes, except that `make test` as
# root on Debian installs the programs that its topology tests run.
PYTHON ?= python3
BIN := .venv/bin
# The pins also apply to the packages that a build needs. Which of the two variables pip reads for
# them depends on its version.
PINS := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
PIP := $(PINS) $(BIN)/pip --disable-pip-version-check -q
TWO_AT_ONCE := -n 2 --dist loadfile --no-loadscope-reorder
WITHOUT_SERVERS := $(TWO_AT_ONCE) --ignore tests/topology --ignore tests/conformance

# The tests start hundreds of Pythons. Without cached bytecode, each would compile its source again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo man docs exactness test test-compiled test-pythons check cover compiled bench programs wheel clean fuzz fuzz-files fuzz-nginx fuzz-routes soak

# The compiled build takes part where `make compiled` made it from the present source.
demo: .venv/demo
	@if [ -d build/compiled ] && $(MAKE) -s -q build/compiled; then \
	PYTHONPATH=build/compiled $(BIN)/mirror demo; else $(BIN)/mirror demo; fi

# A man page for each command: man -l build/man/man1/mirror-serve.1
man: .venv/dev
	$(BIN)/python -m tests.golden.man_pages build/man

# One processor compiles for test-compiled while the other checks the types.
test: .venv/dev programs
	if command -v cc >/dev/null; then $(MAKE) compiled & fi; \
	$(MAKE) check; code=$$?; wait $$! && exit $$code
	$(BIN)/python -m pytest $(WITHOUT_SERVERS)
	$(BIN)/python -m pytest $(TWO_AT_ONCE) tests/conformance
	$(BIN)/python -m pytest $(TWO_AT_ONCE) tests/topology
	if command -v cc >/dev/null; then $(MAKE) test-compiled; \
	else echo "test: no C compiler, so the compiled build is not tested"; fi

# The tests that run the data plane as a process, and a replay, once more with the compiled build.
test-compiled: compiled
	PYTHONPATH=build/compiled KAGAMI_PYTHONPATH=build/compiled \
	$(BIN)/python -m pytest $(TWO_AT_ONCE) -o pythonpath=build/compiled \
	tests/conformance tests/mirror/replay/test_generator.py \
	$(addprefix tests/topology/test_,counting.py down.py drain.py envoy_replies.py exactness.py faults.py reload.py repeats.py)

# The tests without real servers once more, with each other Python from 3.11 to 3.14 that is found.
test-pythons:
	sh .ci/pythons $(WITHOUT_SERVERS) -m "not topology and not one_python"

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Brings every quoted output, table and picture of the documents up to date, then checks links,
# anchors and command lines. Review the diff.
docs: .venv/dev
	for part in make guides switch_plan reference pictures prometheus_rule; do $(BIN)/python -m tests.golden.$$part || exit 1; done
	$(BIN)/python -m pytest -q tests/golden tests/test_markdown_links.py tests/test_documented_commands.py tests/test_*_doc.py

cover: .venv/dev
	$(BIN)/python -m coverage run -m pytest tests -m "not topology"
	$(BIN)/python -m coverage report --show-missing

# The compiled build of the data plane, for benchmarks and test-compiled.
compiled: build/compiled

build/compiled: .venv/dev setup.py $(shell find mirror -name '*.py')
	rm -rf build
	KAGAMI_COMPILE=1 $(PIP) install --no-deps --no-build-isolation --target $@ .

# A wheel that pip installs without a compiler on machines with the same system, processor and minor
# version of Python. Without a compiler here, the wheel is plain Python and is named so.
wheel: .venv/bin/python
	$(PIP) wheel --no-deps --wheel-dir dist .
	ls dist

# Five minutes of generated dialogues; SEED=… starts with that seed.
fuzz: .venv/dev
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),300) $(if $(SEED),--seed $(SEED))

# A minute of changed files for every reader of files; SEED=… repeats one, SECONDS=… bounds it, and
# ROUNDS=… is the number of files for each reader.
fuzz-files: .venv/dev
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.files --seconds $(or $(SECONDS),60) \
	$(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS))

# Odd requests through nginx alone and through nginx and us; COUNT=… and SEED=… choose others.
fuzz-nginx: .venv/dev programs
	$(BIN)/python -m tests.fuzz.through_nginx --count $(or $(COUNT),100000) $(if $(SEED),--seed $(SEED))

# Generated routes and requests, judged by us and by a real Envoy or nginx; COUNT=… (of each kind of object)
# and SEED=… choose others.
fuzz-routes: .venv/dev
	$(BIN)/python -m tests.routing_referee --count $(or $(COUNT),200000) $(if $(SEED),--seed $(SEED))

# A minute of uneven load, counted by every program that sees it.
exactness: .venv/dev programs
	EXACTNESS_S=60 $(BIN)/python -m pytest -s tests/topology/test_exactness.py

# Ten minutes of faults under load in both modes; SEED=… draws others, SECONDS=… limits the time.
soak: .venv/dev
	$(BIN)/python -m benchmarks.macro.soak --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1)

bench: bench-peers bench-latency bench-connections bench-bodies bench-faults bench-estimate bench-replay bench-schedule bench-capture bench-import bench-series bench-extrapolation bench-logs bench-micro bench-tables

bench-peers: compiled
	$(BIN)/python -m benchmarks.macro.mirror_vs_peers

bench-latency: compiled
	$(BIN)/python -m benchmarks.macro.latency

bench-connections: compiled
	$(BIN)/python -m benchmarks.macro.connections

bench-bodies: compiled
	$(BIN)/python -m benchmarks.macro.bodies

# FAULTS="shadow,primary slow" measures these again and keeps the other results.
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

bench-extrapolation: .venv/dev
	$(BIN)/python -m benchmarks.micro.extrapolation

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

# Two benchmarks at once would disturb each other.
.NOTPARALLEL:

programs:
	sh .ci/programs

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Without the package python3-venv, Debian's Python leaves a broken environment behind.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "make: $(PYTHON) is not Python 3.11 or later; choose one with make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	echo "make: $(PYTHON) cannot create a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }

.venv/demo: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -e '.[demo]'
	touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -e '.[demo,dev]'
	touch $@
