# Everything runs in .venv, which the first target that needs it makes. It is renewed when pyproject.toml or
# requirements.lock change; a second call does nothing.
#
# PyTorch: the plain package index serves a build with CUDA (several gigabytes) on Linux. For the small CPU build
# set PIP_EXTRA_INDEX_URL to PyTorch's own index of CPU builds (see "Get started" at pytorch.org) before the first
# call. The lock holds no build suffix, so either build fits it.

PYTHON ?=
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCK := requirements.lock

export PYTHONUNBUFFERED := 1
# Every start of the service runs half a dozen processes: where nothing compiled is kept, each compiles anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check docs format images laws faults bench tables migrate openapi rayserve lock hashes audit browser clean

help: ## List the targets
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r name text; do \
	    printf '%-11s %s\n' "$$name" "$$text"; done

run: $(VENV)/.run-stamp ## Serve a demonstration on this machine
	$(BIN)/grouping demo $(ARGS)

test: $(VENV)/.test-stamp browser check ## Check the code, then run all tests (ARGS='-k word' for some of them)
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.test-stamp docs ## Lint, formatting, types, the layers of the imports, and the documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy benchmarks/*.py
	$(BIN)/lint-imports

docs: $(VENV)/.test-stamp ## Build the documentation into docs/_build/html; a broken link is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs auto docs docs/_build/html

format: $(VENV)/.test-stamp ## Format the code and repair what the linter can repair
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# Not part of "make test": it takes some minutes, and 6 GB of disk. Buildah runs what it built; Docker alone only builds.
images: $(VENV)/.test-stamp ## Build the images, and run the commands of docker-compose.yml in them (Buildah)
	deploy/build-images.sh
	GROUPING_TEST_IMAGES=1 STORAGE_DRIVER=$${STORAGE_DRIVER:-vfs} $(BIN)/pytest -k in_the_images tests/integration/test_compose_commands.py

# Many minutes: the usual run tries a quarter of the examples.
laws: $(VENV)/.test-stamp ## Try the laws of tests/property and of the stores on all their examples
	GROUPING_ALL_EXAMPLES=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
	    tests/property tests/unit tests/contracts $(ARGS)

# Hours: everything of tests/faults that the usual run does a part of. GROUPING_KILLS_SEED draws other moments.
faults: $(VENV)/.test-stamp ## Kill, stop and starve the service at every step, and at random moments (hours)
	GROUPING_ALL_FAULTS=1 $(BIN)/pytest -o timeout=0 tests/faults $(ARGS)

bench: $(VENV)/.test-stamp ## Run the benchmarks one after another
	@set -eu; for script in benchmarks/[!_]*.py; do \
	    [ -e "$$script" ] || { echo "There is no benchmark in benchmarks/" >&2; exit 1; }; \
	    echo "== $$script"; $(BIN)/python "$$script"; done

tables: $(VENV)/.run-stamp ## Train the score tables that come with the project anew (half an hour on two cores)
	nice -n 15 $(BIN)/python -m grouping.replay.making grouping/replay/tables breast-cancer:10 digits:10 digits-8:3

migrate: $(VENV)/.run-stamp ## Bring the database that GROUPING_DATABASE_URL names to the newest schema
	$(BIN)/grouping migrate $(ARGS)

openapi: $(VENV)/.run-stamp ## Write the API's description to api/openapi.json
	$(BIN)/grouping openapi > api/openapi.json.new
	mv api/openapi.json.new api/openapi.json

clean: ## Remove what these targets made: the environment, caches, build outputs (no database)
	rm -rf $(VENV) build dist docs/_build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f api/openapi.json.new
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Sets $python to an interpreter that can make the environment, or stops with what is missing. Each candidate is
# tried, not only looked up: a version manager's shim exists even where its version does not.
define find_python
python=; \
for candidate in $(if $(PYTHON),"$(PYTHON)",python3.11 python3); do \
    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
        python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
    echo "Python 3.11 or newer is missing. On Debian 12, Ubuntu 24.04 or newer: apt-get install python3 python3-venv." >&2; \
    echo "Where it has another name: make PYTHON=/path/to/python ..." >&2; exit 1; fi; \
if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
    echo "$$python has no venv module. On Debian or Ubuntu: apt-get install python3-venv." >&2; exit 1; fi
endef

$(VENV)/.python-stamp:
	@set -eu; $(find_python); set -x; "$$python" -m venv $(VENV)
	@touch $@

$(VENV)/.run-stamp: $(VENV)/.python-stamp pyproject.toml $(LOCK)
	$(PIP) install --quiet -c $(LOCK) -e '.[service]'
	@touch $@

# After the run stamp, never beside it: two installers in one environment would break it under make -j.
$(VENV)/.test-stamp: $(VENV)/.run-stamp
	$(PIP) install --quiet -c $(LOCK) -e '.[test]'
	@touch $@

# The browser tests drive an installed Chromium: Playwright's own download is not used. Those of a service behind a
# proxy need nginx.
browser:
	@set -eu; PATH="$$PATH:/usr/sbin"; wanted=; \
	for name in chromium chromium-browser google-chrome none; do \
	    if command -v "$$name" >/dev/null; then break; fi; done; \
	if [ "$$name" = none ]; then wanted="chromium fonts-dejavu-core"; fi; \
	if ! command -v nginx >/dev/null; then wanted="$$wanted nginx-light"; fi; \
	if [ -z "$$wanted" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$wanted; \
	else \
	    echo "The tests of the web view need Chromium and nginx. On Debian: apt-get install $$wanted" >&2; \
	    echo "Elsewhere any chromium, chromium-browser or google-chrome on the PATH will do." >&2; exit 1; fi

# Resolved from nothing in an environment of its own. PyTorch stays at the locked version unless another is asked
# for with make lock TORCH=x.y.z; the suffix of its build (+cpu, +cu130) is dropped.
TORCH ?= $(shell sed -n 's/^torch==//p' $(LOCK))

lock: ## Renew requirements.lock with the newest versions that pyproject.toml allows
	@set -eu; $(find_python); \
	trial=$$(mktemp -d); trap 'rm -rf "$$trial"' EXIT; \
	echo 'torch==$(TORCH)' > "$$trial/held"; \
	"$$python" -m venv "$$trial/venv"; \
	"$$trial/venv/bin/python" -m pip --disable-pip-version-check install --quiet -c "$$trial/held" -e '.[postgres,test]'; \
	"$$trial/venv/bin/python" -m pip freeze --exclude-editable > "$$trial/frozen"; \
	{ echo '# Constraints, not requirements: pip install -c requirements.lock -e ".[test]". Made by "make lock"; do not edit by hand.'; \
	  sed 's/+[A-Za-z0-9.]*$$//' "$$trial/frozen" | LC_ALL=C sort -f; } > "$$trial/lock"; \
	cp "$$trial/lock" $(LOCK)
	@$(MAKE) --no-print-directory hashes

# What each image installs, with the digests of its files. PyTorch and what comes with its builds for GPUs are not
# among it: which build is wanted is said when an image is built.
hashes:
	@set -eu; trial=$$(mktemp -d); trap 'rm -rf "$$trial"' EXIT; $(find_python); \
	"$$python" -m venv "$$trial"; "$$trial/bin/python" -m pip --disable-pip-version-check install --quiet uv; \
	lock() { "$$trial/bin/uv" pip compile pyproject.toml --quiet --generate-hashes --python-version 3.11 \
	    --python-platform linux --no-header --no-annotate -c $(LOCK) $$2 \
	    | awk '/^[a-z]/ { keep = !/^(torch=|triton=|cuda-|nvidia-)/ } keep' > "deploy/locks/$$1.txt"; }; \
	mkdir -p deploy/locks; lock api "--extra api --extra postgres"; lock bundle "--extra bundle-server"; \
	lock worker "--extra service --extra postgres"

# In an environment of its own, which sees the packages of the usual one: Ray Serve brings an event loop for servers
# and agents of Ray, with which every other test would run something else than users do.
rayserve: $(VENV)/.test-stamp ## Install Ray Serve beside the environment, and run the example of it
	@set -eu; trial=$$(mktemp -d); trap 'rm -rf "$$trial"' EXIT; $(BIN)/python -m venv "$$trial"; \
	usual=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	echo "import site; site.addsitedir('$$usual')" > "$$trial$${usual#$(CURDIR)/$(VENV)}/usual.pth"; \
	"$$trial/bin/python" -m pip --disable-pip-version-check install --quiet -c $(LOCK) 'ray[serve]'; \
	"$$trial/bin/python" -m pytest -k on_ray_serve tests/integration/test_serving_bundles.py

# Not part of "make test": it asks a server on the internet for known faults.
audit: $(VENV)/.test-stamp ## Look for known faults of what is installed, and for risky code (asks the internet)
	@set -eu; trial=$$(mktemp -d); trap 'rm -rf "$$trial"' EXIT; $(find_python); \
	"$$python" -m venv "$$trial"; "$$trial/bin/python" -m pip --disable-pip-version-check install --quiet pip-audit bandit; \
	"$$trial/bin/bandit" --quiet --severity-level medium --configfile pyproject.toml --recursive grouping api workers; \
	for lock in deploy/locks/*.txt; do "$$trial/bin/pip-audit" --disable-pip --strict --requirement "$$lock"; done
