# Everything one can do here. Set-up happens by itself, in .venv, once.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help run test slow test-all ray spark check lint bench lock clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: .venv/run.stamp  ## compare the three families on the case study
	$(BIN)/tippingpoint compare $(ARGS)

TEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
test: .venv/dev.stamp  ## the tests, but for those of `make slow`
	$(TEST) $(ARGS)

slow: .venv/dev.stamp  ## kills and races of whole jobs, browsers and whole programs; ROUNDS=10 kills ten times as often
	$(TEST) -m "soak or programs" $(ARGS)

test-all: export ROUNDS ?= 10
test-all: .venv/dev.stamp  ## all tests at their full length, Ray and Spark too: before a release, and at night
	$(TEST) -m "" $(ARGS)
	$(MAKE) ray spark

ray: .venv/ray.stamp  ## a sweep on a local Ray cluster, in an environment of its own: Ray's launcher holds packages back
	.venv/ray/bin/python -m pytest tests/cli/test_sweep.py -k ray $(ARGS)

spark: .venv/spark.stamp  ## decisions on a local Spark, in an environment of its own; needs Java
	@command -v java >/dev/null || { echo "Spark runs on Java: apt-get install default-jre-headless"; exit 1; }
	.venv/spark/bin/python -m pytest tests/tracking/test_spark.py $(ARGS)

lint: .venv/dev.stamp  ## style, types, and which floor may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test  ## style and tests; .ci/run is what CI runs

bench: .venv/dev.stamp  ## measurements, as ratios against a peer or a floor of the same run
	for script in benchmarks/*.py; do $(BIN)/python -P $$script || exit 1; done

lock: .venv/dev.stamp  ## resolve the requirements files again, with hashes and without index addresses
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --upgrade -o requirements-dev.txt
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --quiet --no-annotate -c requirements-dev.txt -o requirements.txt
	cp requirements-dev.txt requirements-ray.txt  # the same versions wherever Ray lets them be
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra ray --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o requirements-ray.txt
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra spark --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -c requirements-dev.txt -o requirements-spark.txt

clean:  ## remove the environment and caches; runs and models stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 …"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run.stamp: .venv/bin/python requirements.txt pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Only what differs is installed; the rest is found in .venv beneath, which stays as it is.
SITE := -c 'import site; print(site.getsitepackages()[0])'
.venv/ray.stamp .venv/spark.stamp: .venv/%.stamp: .venv/dev.stamp requirements-%.txt
	$(BIN)/python -m venv .venv/$*
	echo "import site; site.addsitedir('$$($(BIN)/python $(SITE))')" > "$$(.venv/$*/bin/python $(SITE))/beneath.pth"
	.venv/$*/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-$*.txt
	@touch $@
