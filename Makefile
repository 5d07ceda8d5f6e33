# make repro: the environment and the main job. make test: the environment and the tests, make test-slow: the long ones. A second call installs nothing.
PYTHON ?= python3.11
UV = .venv/bin/uv pip install --quiet --native-tls --constraint requirements.lock
# a file of tests at a time on each of two cores, the longest first: neither waits at the end
PYTEST = OMP_NUM_THREADS=1 .venv/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
PINS = pyproject.toml requirements.lock

SETS ?= demo=data/features.safetensors
WORK ?= data/results

.PHONY: repro legacy results ablation test test-slow fuzz weights lint check-lock check-metrics lock clean

repro: .venv/installed
	.venv/bin/dvc repro

test: .venv/installed-test
	$(PYTEST) -m "not slow" tests/whole tests

test-slow: .venv/installed-test  # what kills runs at random points, fills disks, starts Ray: some minutes more
	$(PYTEST) -m slow tests/whole tests

fuzz: .venv/installed-test  # clips with damaged bytes, other ones each time: some minutes
	FUZZ_EXAMPLES=10000 .venv/bin/python -m pytest --timeout 0 tests/video/test_fuzz.py

legacy: .venv/installed  # audio features in the form of the published VEGAS files: see docs/data.md
	.venv/bin/dvc exp run -S vggish.final_relu=true -S vggish.postprocess=pca_uint8 -S features.audio_scaling=vegas

results: .venv/installed  # docs/results.md on SETS="NAME=FILE NAME=FILE"; what is finished stays in WORK
	OMP_NUM_THREADS=1 .venv/bin/python -m studies.comparison $(WORK) $(SETS) $(WORDS)

ablation: .venv/installed  # a DVC experiment for each preset, on the data set of params.yaml; WORDS="-S KEY=VALUE" for another
	.venv/bin/python -m studies.ablation $(WORDS)

weights: .venv/installed  # what vggish.weights and inception.weights of params.yaml name
	.venv/bin/python -m pipeline.weights fetch

lint: .venv/installed-test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

.venv/bin/uv:
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint requirements.lock uv

.venv/installed: .venv/bin/uv $(PINS)
	$(UV) --editable .
	@touch $@

.venv/installed-test: .venv/bin/uv $(PINS)
	$(UV) --editable '.[test]'
	@touch $@ .venv/installed

check-lock: .venv/installed  # dvc.lock is what the committed code and params make; `dataset` always runs
	.venv/bin/dvc repro --dry --allow-missing > .venv/dry-run
	@! grep "Running stage" .venv/dry-run | grep -v "'dataset'" || { echo "dvc.lock is stale: run dvc repro"; exit 1; }

check-metrics: .venv/installed  # the fresh metrics.json against the committed one, within the bounds of docs/evaluate.md
	.venv/bin/python -m pipeline.evaluate.check metrics.json --against HEAD --max-change 0.002 --max-change \
		ms_vae.average.map=0.12 $(foreach model,dcca dscmr,--max-change $(model).average.map=0.03)

lock: .venv/bin/uv  # take the newest versions that pyproject.toml allows
	.venv/bin/uv pip compile --quiet --native-tls --upgrade --all-extras --python-version 3.11 \
		--no-header --no-annotate pyproject.toml --output-file requirements.lock
	.venv/bin/uv --version | sed 's/uv \([0-9.]*\).*/uv==\1/' >> requirements.lock

clean:
	rm -rf .venv
