# What there is to make: `make help`. The environment is made once; a second call installs nothing.
UV = .venv/bin/uv pip install --quiet --native-tls --constraint requirements.lock
# Python keeps what it compiles, whatever the shell says: each of several hundred processes would compile torch anew
export PYTHONDONTWRITEBYTECODE =

# a file of tests at a time on each of two cores, the longest first: neither waits at the end
PYTEST = OMP_NUM_THREADS=1 .venv/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
# a folder that lies in another one of the list would not count
LONGEST = tests/whole tests/networks tests/weights
TESTS = $(LONGEST) $(filter-out $(LONGEST) tests/helpers tests/__pycache__,$(wildcard tests/*))
PINS = pyproject.toml requirements.lock

SETS ?= demo=data/features.safetensors
WORK ?= data/results
FUZZ_EXAMPLES ?= 10000
TASKS ?= speech

# the first Python that the project runs on; PYTHON=PATH names another
SUPPORTED = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(or $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c '$(SUPPORTED)' 2> /dev/null && echo $$name && break; done),python3)

# CPU=1: builds of torch without CUDA, from where uv knows them to be; an environment that has them keeps them
CPU ?= $(if $(wildcard .venv/cpu-builds),1)
CPU_UV = $(UV) --no-deps --torch-backend cpu torch torchvision torchaudio
BUILDS = $(if $(filter-out 0,$(CPU)),.venv/cpu-builds)
SIZE = $(if $(BUILDS),about 1.7 GB,about 5.7 GB with the CUDA libraries)

# DVC fails where a stage is to run again whose inputs are not here
stale = .venv/bin/dvc repro --dry --allow-missing $(1) > .venv/dry-run 2>&1 && \
	! grep "Running stage" .venv/dry-run | grep -v "$(2)" || { \
	grep ERROR .venv/dry-run; echo "$(or $(dir $(1)))dvc.lock is stale: $(3)"; exit 1; }

.PHONY: help repro separation install test test-slow fuzz bench weights results ablation legacy lint check-lock check-metrics lock clean

help:  # this list
	@awk -F ':[^#]*# ' '/^[a-z-]+:.*# / { printf "make %-13s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "CPU=1              with repro, install or test: torch without CUDA, 1.7 GB in place of 5.7"
	@echo "ROWS=map,cca       with bench: some rows; AGAINST=FOLDER: a checkout takes turns; WRITE=1: new numbers"
	@echo "PYTHON=PATH        the Python to use, 3.11 to 3.13, where there are several"

repro: .venv/installed  # install, and run what has changed: demo videos -> metrics.json and report/index.html
	.venv/bin/dvc repro
	@echo
	@echo "The results on one page: $(CURDIR)/report/index.html (open it in a browser)"
	@echo "The numbers:             $(CURDIR)/metrics.json"
	@echo "Other parameters:        .venv/bin/dvc exp run -S model.lambda_corr=0.5"
	@echo "Your own videos:         README.md"
	@echo "To share it by dvc push, name a remote first: .venv/bin/dvc remote add -d NAME URL"

separation: .venv/installed  # the second pipeline: whose sound is it, on films of its own -> separation/*/metrics.json
	.venv/bin/dvc repro $(TASKS:%=separation/dvc.yaml:report@%)
	@echo
	@echo "The numbers:     $(TASKS:%=$(CURDIR)/separation/%/metrics.json) (docs/separation.md says what they mean)"
	@echo "To listen to:    $(TASKS:%=$(CURDIR)/separation/%/report/index.html) (open it in a browser)"

install: .venv/installed  # make the environment, .venv, and run nothing

test: .venv/installed-test  # install with the test tools, and run the tests
	$(PYTEST) -m "not slow" $(TESTS)

test-slow: .venv/installed-test  # the long tests: kills at random points, full disks, Ray; some minutes more
	$(PYTEST) -m slow $(TESTS)

fuzz: .venv/installed-test  # read clips, cut anew too, and files of every kind with damaged bytes, other ones each time; an hour
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) .venv/bin/python -m pytest --timeout 0 tests/video/test_fuzz.py \
		tests/video/test_recut.py tests/whole/test_fuzz.py

bench: .venv/installed-bench  # each step beside its peers and its limit, against the ratios of docs/performance.md
	.venv/bin/python -m benchmarks.bench $(ROWS:%=--rows %) $(AGAINST:%=--against %) $(if $(WRITE),--write)

weights: .venv/installed  # fetch and check the pretrained weights that params.yaml names
	.venv/bin/avr weights fetch

results: .venv/installed  # make docs/results.md again, on SETS="NAME=FILE ..."; what is finished stays in WORK
	OMP_NUM_THREADS=1 .venv/bin/python -m studies.comparison $(WORK) $(SETS) $(WORDS)

ablation: .venv/installed  # a DVC experiment for each part of the model left out; WORDS="-S KEY=VALUE"
	.venv/bin/python -m studies.ablation $(WORDS)

legacy: .venv/installed  # audio features in the form of the published VEGAS files: see docs/networks.md
	.venv/bin/dvc exp run -S vggish.final_relu=true -S vggish.postprocess=pca_uint8 -S features.audio_scaling=vegas

lint: .venv/installed-test  # style, types and the import contract
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

check-lock: .venv/installed  # whether both dvc.lock are what the committed code and params make
	@$(call stale,,'dataset',run dvc repro)
	@$(call stale,separation/dvc.yaml,:clips@,run make separation)

check-metrics: .venv/installed  # compare a fresh metrics.json with the committed one, within the bounds of docs/evaluate.md
	.venv/bin/avr check metrics.json --against HEAD --max-change 0.002 --max-change \
		ms_vae.average.map=0.12 $(foreach model,dcca dscmr,--max-change $(model).average.map=0.03)

lock: .venv/bin/uv  # take the newest versions that pyproject.toml allows into requirements.lock
	.venv/bin/uv pip compile --quiet --native-tls --upgrade --all-extras --universal --python-version 3.11 \
		--no-header --no-annotate pyproject.toml --output-file requirements.lock
	.venv/bin/uv --version | sed 's/uv \([0-9.]*\).*/uv==\1/' >> requirements.lock

clean:  # remove the environment
	rm -rf .venv

.venv/bin/uv:
	@$(PYTHON) -c '$(SUPPORTED)' 2> /dev/null || { \
		echo "$(PYTHON): $$($(PYTHON) --version 2>&1 | head -n 1); expected Python 3.11, 3.12 or 3.13:" \
			"install one, or name it with PYTHON=PATH"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --constraint requirements.lock uv

.venv/cpu-builds: .venv/bin/uv $(PINS)
	@test -e $@ || test ! -e .venv/installed || { \
		echo ".venv has the CUDA builds of torch already: run make clean, then this again"; exit 1; }
	@UV_HTTP_TIMEOUT=10 UV_HTTP_RETRIES=1 $(CPU_UV) --dry-run > .venv/cpu-builds.txt 2>&1 || { \
		echo "CPU=1: no builds of torch without CUDA can be had (.venv/cpu-builds.txt says why):" \
			"leave CPU=1 out: the CUDA builds run without a GPU too"; exit 1; }
	@echo "Installing torch without CUDA into .venv"
	@$(CPU_UV)
	@touch $@

.venv/installed: .venv/bin/uv $(PINS) $(BUILDS)
	@echo "Installing the packages of requirements.lock into .venv: $(SIZE)"
	@$(UV) --editable '.[search]'
	@touch $@
	@echo "Installed: .venv takes $$(du -sh .venv | cut -f 1)"

.venv/installed-test: .venv/bin/uv $(PINS) $(BUILDS)
	@echo "Installing the packages of requirements.lock into .venv: $(SIZE), and 2.5 GB of test tools"
	@$(UV) --editable '.[test]'
	@touch $@ .venv/installed
	@echo "Installed: .venv takes $$(du -sh .venv | cut -f 1)"

.venv/installed-bench: .venv/installed
	@echo "Installing the peers of requirements.lock into .venv: about 0.2 GB"
	@$(UV) --editable '.[bench,search]'
	@touch $@
