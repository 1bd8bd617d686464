# Everything starts here: `make run`, then `make test`. Needs git, make, Node 20 or newer, and npm; npm brings Node 24 (docs/adr/0002).
SHELL := /bin/bash
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup build run test check format bench clean

help: ## what there is to type
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: node_modules/.installed ## install what the project needs

node_modules/.installed: package-lock.json package.json $(wildcard */package.json)
	@bin/preflight.sh
	@# Not `npm ci`: it refuses a lock file that was made where packages of other platforms could not be had.
	npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

build: setup ## compile everything
	npm run --silent build

run: build ## set up, build and start VoiceOI (standalone: master and one bot node, no Docker)
	@exec node bin/start.js $(ARGS)

test: build ## every test, with real Postgres and real processes
	@bin/test.sh

check: setup ## the quick loop: format, lint, types, unit tests
	biome check --error-on-warnings .
	tsc -b
	tsc -p config/tsconfig.checks.json
	vitest run --project unit

format: setup ## put the code in shape
	biome check --write .

bench: build ## the benchmarks of docs/benchmarks.md
	npm run --silent bench:agi
	npm run --silent bench:logs
	npm run --silent bench:sync

clean: ## remove what was built and installed; data under .voiceoi stays
	rm -rf node_modules dist */dist
