# Every recipe is a script under scripts/, so that it can be read and run without make.
.DEFAULT_GOAL := help
.PHONY: help demo test check proof bench fmt

help: ## list the targets
	@sed -n 's/^\([a-z]*\): .*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: ## set up and start the provider with its sandbox; PORT_BASE=8400, FIXED_OTP=000000 for automated browsers
	@scripts/setup run
	@scripts/demo

test: ## lint, types, import rules and the tests, on private servers
	@scripts/test

check: ## the same without browser and foreign clients
	@scripts/test quick

proof: ## the tests that take minutes
	@scripts/test proof

bench: ## the benchmark of this server beside its peers
	@scripts/bench

fmt: ## format the code and mend what the linter can mend
	@scripts/setup dev
	@.venv/bin/ruff check --fix-only --quiet . && .venv/bin/ruff format --quiet .
