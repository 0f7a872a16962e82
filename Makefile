# Tasks for people and machines. `make` without a target lists them.

SAM := .local/tools/sam/bin/sam
UV := .local/tools/uv/bin/uv
COMPILE := $(UV) pip compile --quiet --upgrade --universal --python-version 3.13 \
	--generate-hashes --no-emit-index-url --no-header

# Environments for tests only; the first `make test` creates them.
TEST_TOOLS := $(patsubst %,.local/tools/%/requirements.txt,agents bench node)

# Containers often set this. Every process would then compile all that it imports: hundreds do so in
# the tests, and to collect those took twice as long.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup up down run deploy test test-sam bench check format openapi deps clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install everything into .venv and .local; quick if nothing changed
	@scripts/setup

up: setup ## Start the local stack; safe to repeat; FRESH=1 forgets its tenants
	@.venv/bin/callstream up $(if $(FRESH),--fresh)

down: ## Stop the local stack
	@if [ -x .venv/bin/callstream ]; then .venv/bin/callstream down; fi

run: setup ## Start the local stack, play a call through it, and compare every bit
	@.venv/bin/callstream demo

# SAM looks for python3.13 on the path.
deploy: export PATH := $(CURDIR)/.local/tools/sam/bin:$(PATH)
deploy: export PARAMETERS := $(PARAMETERS)
deploy: export CALLSTREAM_UV := $(CURDIR)/$(UV)
deploy: export CALLSTREAM_LAYER_PYTHON := $(CURDIR)/.local/tools/sam/bin/python
deploy: setup ## Deploy to AWS, without questions; PARAMETERS="Transcriber=offline …"
	$(SAM) build
	.venv/bin/python scripts/leave-out-layers
	$(SAM) deploy $(if $(PARAMETERS),--parameter-overrides $(PARAMETERS))

test: setup $(TEST_TOOLS) ## Run every test that needs no Docker
	@# The replay comes first: its tests are long, and at the end one would run alone.
	.venv/bin/pytest --numprocesses auto tests/replay tests/unit
	.venv/bin/pytest tests/install
	@# tests/stack/conftest.py orders the files.
	.venv/bin/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/stack

$(TEST_TOOLS): .local/tools/%/requirements.txt: requirements/%.txt
	@scripts/setup
	@$(UV) venv --quiet --no-project --clear --python .venv/bin/python $(@D)
	@$(UV) pip sync --quiet --require-hashes --python $(@D)/bin/python $<
	@cp $< $@

test-sam: setup ## Run the functions in containers, as `sam local` does; needs Docker
	.venv/bin/pytest tests/sam

bench: setup ## Measure against floors and peers, in minutes; ONLY=parse for one part
	@.venv/bin/python -m bench $(if $(ONLY),--only $(ONLY))

check: setup ## Check lint, types, floors and the template
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	SAM_CLI_TELEMETRY=0 $(SAM) validate --lint --region us-east-1

format: setup ## Format the code and fix what can be fixed
	.venv/bin/ruff format
	.venv/bin/ruff check --fix

openapi: setup ## Generate docs/openapi from the models of the HTTP surfaces
	.venv/bin/python -m callstream_cli.openapi

deps: setup ## Upgrade requirements to the latest versions that the .in files allow
	$(COMPILE) requirements/bootstrap.in --output-file requirements/bootstrap.txt
	$(COMPILE) requirements/dev.in --output-file requirements/dev.txt
	$(COMPILE) requirements/ministack.in --output-file requirements/ministack.txt
	$(COMPILE) requirements/sam.in --output-file requirements/sam.txt
	$(COMPILE) requirements/signalwire-sdk.in --output-file requirements/signalwire-sdk.txt
	$(COMPILE) layers/codecs/requirements.in --output-file layers/codecs/requirements.txt
	$(COMPILE) layers/dependencies/requirements.in --output-file layers/dependencies/requirements.txt
	$(COMPILE) layers/dialogflow/requirements.in --output-file layers/dialogflow/requirements.txt
	$(COMPILE) layers/signing/requirements.in --output-file layers/signing/requirements.txt
	$(COMPILE) layers/sockets/requirements.in --output-file layers/sockets/requirements.txt
	$(COMPILE) --no-deps layers/speech/requirements.in --output-file layers/speech/requirements.txt
	$(COMPILE) requirements/node.in --output-file requirements/node.txt
	$(COMPILE) requirements/bench.in --override requirements/bench-without.txt \
		--output-file requirements/bench.txt
	$(COMPILE) requirements/agents.in --override requirements/bench-without.txt \
		--output-file requirements/agents.txt

clean: ## Stop the local stack; remove everything installed or built, asking first; YES=1
	@scripts/ask-before-clean '$(YES)'
	@$(MAKE) --no-print-directory down
	rm -rf .venv .local .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -type d -name __pycache__ -prune -exec rm -rf {} +
