# The README's two commands are `make demo` and `make test`.

CARGO ?= cargo
DEMO  ?= dist/demo

.PHONY: demo build test check static fmt bless bench bench-faults fuzz deps image

demo: build ## freeze this machine for 10 s, explain it, name the report
	@scripts/demo.sh $(DEMO)

build: dist/collect dist/analyze ## both release binaries in dist/

.PHONY: dist/collect dist/analyze
dist/collect: ## one static file
	@mkdir -p dist
	$(CARGO) dist-collect
	@cp -f target/release/collect dist/collect

dist/analyze:
	@mkdir -p dist
	$(CARGO) build --release -p freezeframe-analyze
	@cp -f target/release/analyze dist/analyze

image: dist/collect ## the static binary as an OCI image, dist/collect-image.tar
	scripts/image.sh dist/collect dist/collect-image.tar

test: deps check static ## everything; the collector's tests run the static binary
	FREEZEFRAME_COLLECT=$(CURDIR)/dist/collect $(CARGO) test --workspace

check: ## formatting and lints
	scripts/fmt.sh --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

static: dist/collect ## the collector needs nothing of the node but a kernel
	scripts/check-static.sh dist/collect

fmt:
	scripts/fmt.sh

bless: ## accept changed golden files and generated documents
	FREEZEFRAME_BLESS=1 $(CARGO) test --workspace

bench: build ## measure; see docs/benchmarks.md
	benches/bench.py

bench-faults: dist/collect ## what faults cost, beside sos; needs root and FUSE
	benches/faults.py

fuzz: ## search for inputs that break a reader, FUZZ_SECONDS (60) each; needs nightly and cargo-fuzz
	scripts/fuzz.sh

deps: ## what the tests need beside Rust, gcc, make and git
	scripts/deps.sh
