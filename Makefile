# The commands of the project; `make help` lists them. It knows order and names; what a command does stands in the script or playbook it calls.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.ansible/collections
export PYTHONPATH := $(CURDIR)/.ansible/collections
export PATH := $(CURDIR)/.venv/bin:$(PATH)
LAB := inventories/lab
PLAYBOOK := .venv/bin/ansible-playbook -i $(LAB)
PYTEST := .venv/bin/python -m pytest

.PHONY: help
help: ## list the commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1 \2/p' $(MAKEFILE_LIST) | while read -r make name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done
	@printf '  make %-12s %s\n' test-PART 'one part of the tests: $(TEST_PARTS)'

.PHONY: bootstrap
bootstrap: ## install what this machine lacks for `make site`, one line each
	@scripts/bootstrap

.PHONY: site
site: bootstrap ## build the lab, set up the site, ship the first model (the main job)
	@scripts/site

.PHONY: lab
lab: bootstrap ## only the lab's containers and secrets
	@$(PLAYBOOK) playbooks/lab.yml

.PHONY: lab-down
lab-down: ## remove the lab's containers, network and secrets (the download cache stays)
	@$(PLAYBOOK) playbooks/lab.yml -e lab_state=absent

.PHONY: bootstrap-test
bootstrap-test:
	@scripts/bootstrap test

.PHONY: test
test: bootstrap-test ## every test below, in the order of what they cost
	@tests/run

# One part of the tests: make test-unit, make test-e2e ...
TEST_PARTS := unit guards lint contract packaging sanity mutation integration molecule e2e
.PHONY: $(TEST_PARTS:%=test-%)
$(TEST_PARTS:%=test-%): test-%: bootstrap-test
	@tests/run $*

.PHONY: test-long
test-long: bootstrap-test ## what `make test` leaves out: kills at random moments, machines made anew, Debian 13, no network (hours)
	@tests/run long

.PHONY: build
build: bootstrap ## the collection as a tarball
	@.venv/bin/ansible-galaxy collection build --force

.PHONY: docs
docs: bootstrap-test ## one page per role in docs/roles, from their argument specs
	@.venv/bin/python scripts/role-docs

.PHONY: lock
lock: bootstrap ## compile requirements/*.in to hash-locked *.txt
	@cd requirements && for name in uv controller dev collections; do \
	  no_deps=; [ $$name = collections ] && no_deps=--no-deps; \
	  ../.venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $$no_deps $$name.in -o $$name.txt; done
	@cd requirements && ../.venv/bin/uv pip compile -q --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --override serving-overrides.txt serving.in -o ../roles/model_server/files/requirements-onnx.txt
	@cd requirements && ../.venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  deploy.in -o ../roles/jenkins_agent/files/requirements-deploy.txt
	@.venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --directory examples/breast_cancer requirements.in -o requirements.txt
