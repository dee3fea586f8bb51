# Everything one can do here. Set-up happens by itself, in .venv, once.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
PURE := src/tippingpoint/data/*,src/tippingpoint/models/*,src/tippingpoint/policies/*,src/tippingpoint/offpolicy/*,src/tippingpoint/evaluation/*,src/tippingpoint/explanation/*,src/tippingpoint/decisions/*,src/tippingpoint/economics.py
.PHONY: help run test slow soak test-all ray spark dagster docs release check lint coverage lowest bench lock clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: .venv/run.stamp  ## compare the three families on the case study
	$(BIN)/tippingpoint compare $(ARGS)

TEST = $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
WORKERS := 2
test: .venv/dev.stamp  ## the tests, but for those of `make slow`
	$(TEST) $(ARGS)

slow: WORKERS := 4
slow: .venv/dev.stamp  ## drawn worlds, kills and races of whole jobs, browsers, whole programs; ROUNDS=10 kills ten times as often
	$(TEST) -m "soak or programs or worlds" $(ARGS)

soak: export FUZZ ?= 2000
soak: export CUTS ?= all
soak: .venv/dev.stamp  ## 2,000 wrong inputs (FUZZ_SEED=7 others, FUZZ_CASE=123 one of them); every verb cut after each write to the store
	$(BIN)/pytest -m soak tests/soak/test_fuzz.py tests/soak/test_filed_again.py -k "wrong or cut" $(ARGS)

test-all: export ROUNDS ?= 10
test-all: export CUTS ?= all
test-all: .venv/dev.stamp  ## all tests at their full length, Ray and Spark too: before a release, and at night
	$(TEST) -m "" $(ARGS)
	$(MAKE) ray spark dagster

ray: .venv/ray.stamp  ## a sweep on a local Ray cluster, in an environment of its own: Ray's launcher holds packages back
	.venv/ray/bin/python -m pytest tests/cli/test_sweep.py -k ray $(ARGS)

spark: .venv/spark.stamp  ## decisions on a local Spark, in an environment of its own; needs Java
	@command -v java >/dev/null || { echo "Spark runs on Java: apt-get install default-jre-headless"; exit 1; }
	.venv/spark/bin/python -m pytest tests/tracking/test_spark.py tests/scoring/test_on_spark.py $(ARGS)

dagster: .venv/dagster.stamp  ## examples/dagster_daily.py, run by Dagster in an environment of its own
	.venv/dagster/bin/python -m pytest tests/daily/test_dagster.py $(ARGS)

# -W: a warning, such as a link that leads nowhere, ends the build.
docs: .venv/docs.stamp  ## the documentation as pages in docs/_build/html, readable from the folder: open index.html
	.venv/docs/bin/python -m sphinx -W --keep-going -q -d docs/_build/doctrees docs docs/_build/html $(ARGS)
	@echo docs/_build/html/index.html

lint: .venv/dev.stamp  ## style, types, and which floor may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: .venv/dev.stamp  ## the tests of `make test`, measured; lists the uncovered lines of the folders that only calculate
	$(TEST) --cov --cov-report=term $(ARGS)
	$(BIN)/coverage report --show-missing --include="$(PURE)"

lowest: .venv/lowest.stamp  ## the fast tests and a comparison with the lowest versions that pyproject.toml allows
	.venv/lowest/bin/python -m pytest tests/core tests/config tests/data/test_users.py tests/policies tests/offpolicy tests/models $(ARGS)
	cd .venv/lowest && MLFLOW_TRACKING_URI=sqlite:///lowest.db bin/python -m tippingpoint compare data.users=2000 explain_rows=50

release: .venv/release.stamp  ## wheels and sdists of tippingpoint and tippingpoint-core, checked and tried in clean environments; TAG=yes tags the commit as well
	.ci/release $(TAG)

check: lint test  ## style and tests; .ci/run is what CI runs

bench: .venv/dev.stamp  ## measurements, as ratios against a peer or a floor of the same run
	for script in benchmarks/*.py; do $(BIN)/python -P $$script || exit 1; done

LOCKED := $(BIN)/uv pip compile
LOCK_AS := --python-version 3.11 --no-header --no-annotate --quiet
LOCK = $(LOCKED) pyproject.toml $(LOCK_AS)
lock: .venv/dev.stamp  ## resolve the files in requirements/ again, with hashes and without index addresses
	$(BIN)/pip install --quiet uv
	$(LOCK) --universal --generate-hashes --extra dev --upgrade -o requirements/dev.txt
	$(LOCK) --universal --generate-hashes -c requirements/dev.txt -o requirements/run.txt
	$(LOCK) --universal --generate-hashes --extra dashboard --extra warehouse -c requirements/dev.txt -o requirements/batch.txt
	$(LOCKED) packaging/core/pyproject.toml $(LOCK_AS) --universal --generate-hashes --extra serve --extra trees --extra warehouse -c requirements/dev.txt -o requirements/service.txt
	cp requirements/dev.txt requirements/ray.txt  # the same versions wherever Ray, and Dagster, let them be
	$(LOCK) --universal --generate-hashes --extra dev --extra ray -o requirements/ray.txt
	$(LOCK) --universal --generate-hashes --extra dev --extra spark -c requirements/dev.txt -o requirements/spark.txt
	cp requirements/dev.txt requirements/dagster.txt
	$(LOCK) --universal --generate-hashes --extra dev --group dagster -o requirements/dagster.txt
	$(LOCK) --universal --generate-hashes --extra dev --extra docs -c requirements/dev.txt -o requirements/docs.txt
	$(LOCKED) --group release $(LOCK_AS) --universal --generate-hashes -o requirements/release.txt
	$(LOCK) --resolution lowest-direct --extra dev --upgrade -o requirements/lowest.txt

clean:  ## remove the environment and caches; runs and models stay
	rm -rf .venv docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 …"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run.stamp: .venv/bin/python requirements/run.txt pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# Only what differs is installed; the rest is found in .venv beneath, which stays as it is.
SITE := -c 'import site; print(site.getsitepackages()[0])'
.venv/ray.stamp .venv/spark.stamp .venv/dagster.stamp .venv/docs.stamp: .venv/%.stamp: .venv/dev.stamp requirements/%.txt
	$(BIN)/python -m venv .venv/$*
	echo "import site; site.addsitedir('$$($(BIN)/python $(SITE))')" > "$$(.venv/$*/bin/python $(SITE))/beneath.pth"
	.venv/$*/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$*.txt
	@touch $@

.venv/release.stamp: .venv/bin/python requirements/release.txt
	$(BIN)/python -m venv .venv/release
	.venv/release/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/release.txt
	@touch $@

# Nothing of .venv: other versions are the point.
.venv/lowest.stamp: .venv/bin/python requirements/lowest.txt
	$(BIN)/python -m venv .venv/lowest
	.venv/lowest/bin/pip install --quiet --disable-pip-version-check -r requirements/lowest.txt
	.venv/lowest/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@
