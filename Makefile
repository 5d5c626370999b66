# What there is to do. Anything longer than a few lines lives in scripts/ or xtask/.
SHELL := bash

.DEFAULT_GOAL := help
.PHONY: help run demo test check fmt clippy doc manifests deploy sbom monitoring fuzz proto examples web browser typescript bench \
        sqlx setup setup-tests test-kafka-tls test-grpc-integration test-grpc-integration-local test-grpc-script \
        test-grpc-script-staging

help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-32s %s\n", $$1, $$2}'

setup: ## Installs what is missing to build and run (PostgreSQL programs, a C compiler), and says what it does
	@scripts/setup.sh

setup-tests: ## The same, and what tests start besides (a Redis server, a Kafka broker, a Prometheus)
	@scripts/setup.sh tests

run: setup ## Builds and starts everything in one process; Ctrl-C stops it
	cargo run --release

demo: setup ## Fills in people, follows and conversations, and prints their log-ins
	cargo run --release -- demo

test: setup-tests ## Runs every test; needs no running server
	cargo test --workspace

test-kafka-tls: setup-tests ## Tests Kafka over TLS, which is a feature of its own
	cargo test --package events --features kafka-tls --test it kafka_tls

check: fmt clippy test test-kafka-tls proto doc manifests deploy monitoring ## Everything that CI checks

fmt: ## Checks the formatting
	cargo fmt --all --check

clippy: setup ## Lints; a warning is an error
	cargo clippy --workspace --all-targets -- -D warnings

doc: setup ## Builds the code's documentation; a warning is an error
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items

proto: ## Lints and formats the protos, and checks them for breaking changes
	@scripts/proto.sh

manifests: ## Checks k8s/: schemas, what kubectl renders, and that it applies to an empty cluster
	@scripts/manifests.sh

deploy: ## Checks deploy/: the images' recipe, the compose file, the unit of systemd
	@scripts/deploy.sh

sbom: ## Writes what Nova is built of, as CycloneDX, into target/sbom
	@scripts/deploy.sh sbom

monitoring: setup-tests ## Checks alert rules, runbooks and dashboards against three services that a Prometheus scrapes
	@scripts/monitoring.sh

fuzz: setup ## Fuzzes everything that reads what strangers send, a minute a target
	@scripts/fuzz.sh

examples: setup ## Runs the examples against a Nova of their own
	@scripts/examples.sh

web: ## Builds the pages anew; web/dist is committed
	@scripts/web.sh build

browser: setup ## Tries the pages in Chromium against a Nova of their own
	@scripts/browser.sh

typescript: ## Writes the generated part of the TypeScript client anew
	cargo xtask typescript

bench: setup ## Measures the hot paths beside their limits, and writes a report
	cargo build --release --package nova && cargo run --release --package nova-bench

sqlx: setup ## Writes the descriptions of all SQL anew (each service's .sqlx folder)
	cargo xtask sqlx-prepare

test-grpc-integration: setup ## Cross-service tests on services that the tests start themselves
	cargo test --package nova-tests --test grpc_cross_service_integration_test

test-grpc-integration-local: ## The same tests on services that run already on this machine
	SERVICES_RUNNING=true cargo test --package nova-tests --test grpc_cross_service_integration_test

test-grpc-script: ## Smoke test of running services by script: connectivity, endpoints, errors, latency
	tests/grpc_integration_test.sh local

test-grpc-script-staging: ## The same against the addresses in the environment
	tests/grpc_integration_test.sh staging
