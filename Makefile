# The one entry point. Every target does its own set-up on a fresh machine, once: .venv here, the control plane in the
# user's cache. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Interpreter to make .venv from; without one, the first Python >= 3.11 that can make a virtual environment.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
ARGS ?=
# Of `make test`: processes that share the tests, a file each; 0 for one that shows what a debugger needs.
JOBS ?= 2

SHOP := tests/data/shop
DEMO_OUT ?= out/demo

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- Set-up. Stamps inside .venv: a changed pin or pyproject.toml installs again, a deleted .venv starts over.

$(BIN)/python:
	@python=
	for candidate in $(or $(PYTHON),python3.11 python3 python3.12 python3.13 python3.14); do
	  if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	    python=$$candidate; break
	  fi
	done
	if [ -z "$$python" ]; then
	  echo "make: no Python >= 3.11 with venv and pip found; install one (Debian: apt-get install python3-venv) or name it: make PYTHON=/path/to/python3" >&2
	  exit 2
	fi
	echo "making $(VENV) with $$("$$python" --version)"
	"$$python" -m venv --clear $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing grapevine into $(VENV)"
	$(PIP) install --constraint constraints.txt pip
	$(PIP) install --constraint constraints.txt --build-constraint constraints.txt --editable '.[operator]'
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "installing the development tools into $(VENV)"
	$(PIP) install --constraint constraints.txt --group dev
	touch $@

# A collector that is not ours, for the tests; it is there for Linux on x86-64 with glibc, and elsewhere its tests skip.
$(VENV)/.collector: $(VENV)/.dev
	@$(PIP) install --only-binary :all: --constraint constraints.txt --group collector || echo "make: no rotel for this machine: its tests will skip"
	touch $@

.PHONY: init
init: $(VENV)/.dev ## Make .venv with grapevine (editable), the tests' and the lint tools
	@:

.PHONY: control-plane
control-plane: ## Build etcd, kube-apiserver and kubectl for the tests into the user's cache (4 min, once)
	@tests/support/build-control-plane.sh

.PHONY: coredns
coredns: ## Build CoreDNS for the tests into the user's cache (2.5 min, once)
	@tests/support/build-coredns.sh

.PHONY: helm
helm: ## Build Helm for the chart's tests into the user's cache (1.5 min, once)
	@tests/support/build-helm.sh

.PHONY: axe
axe: init ## Get axe-core for the browser tests into the user's cache (5 s, once)
	@PYTHON=$(BIN)/python tests/support/get-axe.sh || echo "make: no axe-core: its tests will skip"

# --- What a person wants

IMAGE := PYTHON=$(BIN)/python deploy/image/build.sh

.PHONY: image
image: $(VENV)/.runtime ## Build the two container images, with docker or buildah (BASE=image to start from)
	@$(IMAGE)

.PHONY: image-archive
image-archive: $(VENV)/.runtime ## Build them and write out/images/{capture,operator}.tar
	@$(IMAGE) --archive out/images

.PHONY: sbom
sbom: $(VENV)/.runtime ## Write out/sbom: the wheel, and what capture and operator bring along (CycloneDX), checked
	@PYTHON=$(BIN)/python deploy/release/sbom.sh

.PHONY: krew
krew: $(VENV)/.runtime ## Write out/krew: the kubectl plugin for this platform, and krew's manifest (URI=, HOMEPAGE=)
	@PYTHON=$(BIN)/python deploy/release/krew.sh

.PHONY: install-yaml
install-yaml: control-plane ## Render deploy/ into deploy/install.yaml
	@deploy/render.sh

.PHONY: demo
demo: $(VENV)/.runtime ## Map the recorded shop from its capture: no cluster, no root, under a minute
	@$(BIN)/grapevine run --pcap $(SHOP)/capture.pcap --cluster $(SHOP)/cluster.json --pod-events $(SHOP)/pod-events.jsonl --out $(DEMO_OUT) $(ARGS)

.PHONY: test
test: init control-plane coredns helm axe $(VENV)/.collector ## Run every test, on a real etcd, kube-apiserver and CoreDNS (ARGS="-k name" for some; JOBS=0: one after the other)
	@GRAPEVINE_REQUIRE_CONTROL_PLANE=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-unit
test-unit: init ## Run the tests that need no control plane, no root and no network
	@$(BIN)/python -m pytest -m "not integration and not root and not cluster" $(ARGS)

.PHONY: test-integration
test-integration: init control-plane coredns helm axe $(VENV)/.collector ## Run the tests that need a real kube-apiserver or CoreDNS
	@GRAPEVINE_REQUIRE_CONTROL_PLANE=1 $(BIN)/python -m pytest -m integration $(ARGS)

.PHONY: test-cluster
test-cluster: init $(VENV)/.collector ## Run the tests that need a whole Kubernetes node: brings one up here, as root (12 min; builds it once)
	@reason=$$(tests/cluster/check.sh --install) || { echo "$$reason"; echo "cluster tests: skipped"; [ -z "$${CI:-}" ] && exit 0 || exit 1; }
	tests/cluster/build.sh
	$(IMAGE) --archive out/images
	$(BIN)/python -m pytest -m cluster $(ARGS) tests/cluster

.PHONY: lint
lint: init ## Check format, style, types and layers; changes nothing
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy -p tests.support
	$(BIN)/lint-imports --no-logo

.PHONY: fmt
fmt: init ## Format the code and fix what ruff can fix
	@$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: init coredns ## Measure the bounds of the design on this machine; more of them as root
	@$(BIN)/python -m bench $(ARGS)

MINUTES ?=

.PHONY: soak
soak: init control-plane coredns ## Watch capture's memory for 30 min (root), and the operator in 10 of chaos (ARGS=capture, ARGS=chaos, MINUTES=)
	@$(BIN)/python -m bench.soak $(addprefix --minutes=,$(MINUTES)) $(ARGS)

$(VENV)/.fuzz: $(VENV)/.dev
	@echo "installing the fuzzer into $(VENV)"
	$(PIP) install --constraint constraints.txt --group fuzz
	touch $@

N ?= 200000

.PHONY: fuzz
fuzz: $(VENV)/.fuzz ## Fuzz what reads bytes from outside in capture, N=200000 frames, messages and lines in all
	@$(BIN)/python -m tests.fuzz --items $(N) $(ARGS)

.PHONY: oracle
oracle: N = 1000000
oracle: init ## Judge identity by the truth in random worlds, N=1000000 look-ups of pods that share addresses
	@$(BIN)/python -m tests.oracle --observations $(N) $(ARGS)

.PHONY: clean
clean: ## Delete what make made here (.venv, out, caches); the control plane stays in the user's cache
	@rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find operator tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

.ONESHELL:
