# Each target does all its set-up: an environment for the chosen Python, the build
# of the project with its extension, and the tools that the target needs.
#
#   make test                  with the first Python found, 3.11 or later
#   make test PYTHON=3.12      with another one: a version, a name or a path

# The rules are plain sh; nothing here depends on the shell of whoever runs it.
SHELL := /bin/sh
.DELETE_ON_ERROR:

FOUND := $(shell tools/find-python $(PYTHON))
ifeq ($(FOUND),)
$(error No Python to work with)
endif
NAME := $(shell $(FOUND) -c 'import sys; print("%s-%d.%d" % (sys.implementation.name, *sys.version_info[:2]))')
VENV := .venv-$(NAME)
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --quiet --disable-pip-version-check install

# Programs of others that tests talk to; too big to be fetched for every clone.
PROGRAMS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/websockets-tests

# The extension with sanitizers and counters, beside the ordinary one. Assertions are on:
# those of Python's headers find wrong uses of its API.
CHECKED := $(VENV)/checked
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined
CHECKED_CFLAGS := $(SANITIZERS) -fno-omit-frame-pointer -O1 -g -UNDEBUG --coverage
# Leaks are for tests/native to find: Python itself doesn't free all that it has. An
# allocation that is too large gives NULL, as it does everywhere else.
RUN_CHECKED = LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
	PYTHONMALLOC=malloc WEBSOCKETS_TEST_PATIENCE=120 PYTHONPATH=$(CURDIR)/$(CHECKED)/lib WEBSOCKETS_NO_SPEEDUPS= $(RUN)
# The parts of the suite that reach native code.
NATIVE_TESTS := $(wildcard $(addprefix tests/,native codec session faces asyncio))

# The parts of the suite that use an event loop; those that use what the codec has chosen.
FACES := tests/asyncio tests/faces tests/native tests/opening
LAYERS_ABOVE := $(FACES) tests/protocol tests/session tests/words

.PHONY: demo test test-native test-twin test-again test-transports test-uvloop leaks coverage \
	sanitize native-coverage native-warnings lint format typecheck build name clean \
	compliance compliance-quick interop proxies peers bench bench-instructions

demo: $(VENV)/project
	$(RUN) examples/demo.py

# Two runs of the whole suite: with the native code, and with its Python twin.
test: test-native test-twin

# An extension that doesn't load is an error here, and nowhere else.
test-native: $(VENV)/project $(VENV)/test
	$(RUN) -c 'import websockets.speedups'
	mkdir -p reports
	COVERAGE_FILE=reports/coverage.$(NAME).native WEBSOCKETS_NO_SPEEDUPS= $(RUN) -m coverage run -m pytest $(PYTEST)
	COVERAGE_FILE=reports/coverage.$(NAME).native $(RUN) -m coverage report --fail-under=100

test-twin: $(VENV)/project $(VENV)/test
	mkdir -p reports
	COVERAGE_FILE=reports/coverage.$(NAME).twin WEBSOCKETS_NO_SPEEDUPS=1 $(RUN) -m coverage run -m pytest $(PYTEST)
	COVERAGE_FILE=reports/coverage.$(NAME).twin $(RUN) -m coverage report --fail-under=100

# Both once more, without counting and with fewer random examples: for other versions of
# Python than the one that all is counted on. The tests of the codec compare both.
test-again: $(VENV)/project $(VENV)/test
	$(RUN) -c 'import websockets.speedups'
	HYPOTHESIS_PROFILE=brief WEBSOCKETS_NO_SPEEDUPS= $(RUN) -m pytest $(PYTEST)
	HYPOTHESIS_PROFILE=brief WEBSOCKETS_NO_SPEEDUPS=1 $(RUN) -m pytest $(or $(PYTEST),$(LAYERS_ABOVE))

# Once more on what fewer programs run on: asyncio's own transports, and uvloop. What is
# below them can't tell.
test-transports: $(VENV)/project $(VENV)/test
	HYPOTHESIS_PROFILE=brief WEBSOCKETS_TRANSPORT=asyncio WEBSOCKETS_NO_SPEEDUPS= $(RUN) -m pytest $(or $(PYTEST),$(FACES))

test-uvloop: $(VENV)/project $(VENV)/test
	HYPOTHESIS_PROFILE=brief WEBSOCKETS_TEST_LOOP=uvloop WEBSOCKETS_NO_SPEEDUPS= $(RUN) -m pytest $(or $(PYTEST),$(FACES))

# Connections by the thousand: what they take must be given back.
leaks: $(VENV)/project $(VENV)/test
	WEBSOCKETS_LEAK_RUNS=50 WEBSOCKETS_NO_SPEEDUPS= $(RUN) -m pytest tests/native/test_reference_leaks.py \
		tests/native/test_tls_leaks.py $(PYTEST)

# A browsable report of the native run.
coverage: test-native
	COVERAGE_FILE=reports/coverage.$(NAME).native $(RUN) -m coverage html --quiet --directory htmlcov
	@echo "coverage: htmlcov/index.html"

# The suite on native code with AddressSanitizer and UndefinedBehaviorSanitizer: gcc, on
# Linux. PYTEST=tests/codec runs a part. The Python modules are those of src/. They report
# to standard error and end the process, so pytest must leave it, and signals, alone.
sanitize: $(CHECKED)/built $(VENV)/test
	@ln -sfn $(filter-out %.so,$(wildcard $(CURDIR)/src/websockets/*)) $(CHECKED)/lib/websockets
	$(RUN_CHECKED) -c 'import websockets.speedups'
	$(RUN_CHECKED) -m pytest -p no:faulthandler --capture=sys $(PYTEST)

# The same with the parts of the suite that reach native code, and how far they reach.
native-coverage: $(CHECKED)/built $(VENV)/native
	find $(CHECKED) -name '*.gcda' -exec rm {} +
	HYPOTHESIS_PROFILE=brief $(MAKE) --no-print-directory sanitize PYTEST='$(NATIVE_TESTS)'
	$(RUN) -m gcovr --filter native/ --object-directory $(CHECKED) $(CHECKED) --fail-under-line 95

# No compiler that is here may warn, with the headers of any Python that is here.
native-warnings:
	tools/check-native

# The Autobahn Testsuite, all cases (ten to twenty minutes) or those that show most (half a minute).
compliance: $(VENV)/project
	$(RUN) compliance/run.py $(PROGRAMS)/autobahn

compliance-quick: $(VENV)/project
	$(RUN) compliance/run.py $(PROGRAMS)/autobahn --quick

# Conversations with programs of others, and ways through real proxies. What isn't
# installed is named and skipped; `make peers` installs it.
interop: $(VENV)/project $(VENV)/test $(VENV)/interop
	NODE_PATH=$(PROGRAMS)/node/node_modules:$$NODE_PATH $(RUN) -m pytest -rs tests/interop $(PYTEST)

proxies: $(VENV)/project $(VENV)/test $(VENV)/proxies
	@$(PIP) --group kerberos || echo 'Kerberos cannot be compiled here: its tests are skipped'
	$(RUN) -m pytest -rs tests/proxies $(PYTEST)

peers:
	tools/install-peers $(PROGRAMS)/node

# This library and others, side by side; BENCH="--quick" or BENCH="--help" for less.
# The others have an environment of their own: one of them has our name.
bench: $(VENV)/project $(VENV)/bench $(VENV)-peers/bench-peers
	$(RUN) -m benchmarks --peers $(VENV)-peers/bin/python $(BENCH)

# It fails when a round trip takes more instructions than recorded; BENCH=--record records.
bench-instructions: $(VENV)/project $(VENV)/bench
	$(RUN) -m benchmarks.instructions --peers $(VENV)-peers/bin/python $(BENCH)

lint: $(VENV)/lint native-warnings
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

format: $(VENV)/lint
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

typecheck: $(VENV)/project $(VENV)/types
	$(RUN) -m mypy --strict src benchmarks
	$(VENV)/bin/pyright --pythonpath $(RUN) src

# The source archive and, out of it, the wheel.
build: $(VENV)/build
	rm -rf dist
	$(RUN) -m build --outdir dist

# Which Python the other targets would use.
name:
	@echo $(NAME)

clean:
	rm -rf .venv-* build dist htmlcov reports src/websockets.egg-info
	rm -f src/websockets/*.so

# The environment, then what is installed into it; each file says when that was.
$(VENV)/pip:
	$(FOUND) -m venv --clear $(VENV)
	$(PIP) --upgrade 'pip>=25.1'
	touch $@

# Editable: changes of Python code need no new installation, those of C code do.
$(VENV)/project: $(VENV)/pip pyproject.toml setup.py $(wildcard native/*)
	$(PIP) --editable .
	touch $@

$(CHECKED)/built: $(VENV)/project $(VENV)/test $(wildcard native/*)
	rm -rf $(CHECKED)
	CC='$(CC)' CFLAGS='$(CHECKED_CFLAGS)' LDFLAGS='$(SANITIZERS) --coverage' $(RUN) setup.py \
		--quiet build_ext --build-temp $(CHECKED)/objects --build-lib $(CHECKED)/lib
	touch $@

$(VENV)/test $(VENV)/native $(VENV)/interop $(VENV)/proxies $(VENV)/lint $(VENV)/types $(VENV)/build $(VENV)/bench: $(VENV)/pip pyproject.toml
	$(PIP) --group $(@F)
	touch $@

$(VENV)-peers/bench-peers: $(VENV)/pip pyproject.toml
	$(FOUND) -m venv --clear $(VENV)-peers
	$(RUN) -m pip --python $(VENV)-peers/bin/python --quiet --disable-pip-version-check install --group $(@F)
	touch $@
