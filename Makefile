# Sightline. `make` explains itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
LINT := go tool -modfile=go.tool.mod golangci-lint
FUZZTIME ?= 20s
VERSION ?= 0.1.0
DOCKER_BUILD = command -v docker >/dev/null || { echo "docker is not here: install it, or build deploy/docker/Dockerfile with podman or buildah"; exit 1; }; \
	docker build -f deploy/docker/Dockerfile --build-arg VERSION=$(VERSION) --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null)"

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: runtime
runtime: ## fetch the ONNX Runtime library (CPU) into the cache folder
	@scripts/get-onnxruntime.sh

.PHONY: build
build: ## build indexd and searchd into bin/
	go build -o bin/ ./cmd/indexd ./cmd/searchd

.PHONY: demo
demo: runtime build ## convert the small model, import the demo catalogue, serve it, show a search
	@scripts/demo.sh

.PHONY: test
test: ## vet and run all tests, with the race detector; a missing part skips its tests and says so
	-@scripts/get-onnxruntime.sh >/dev/null
	-@scripts/get-milvus-lite.sh >/dev/null
	-@scripts/get-axe.sh >/dev/null
	-@scripts/get-schemathesis.sh >/dev/null
	go vet ./...
	go test -race -shuffle=on -timeout 30m ./...
	$(MAKE) test-deploy

.PHONY: test-deploy
test-deploy: ## test images' recipes and manifests: the real programs are given every setting in them
	cd deploy && go test -vet=off -timeout 15m ./... # vetting Kubernetes' packages would take as long as compiling them

.PHONY: image image-gpu
image: ## build the image sightline:VERSION (default 0.1.0) with docker
	@$(DOCKER_BUILD) --target cpu -t sightline:$(VERSION) .

image-gpu: ## build the image for CUDA, sightline:VERSION-gpu
	@$(DOCKER_BUILD) --target gpu -t sightline:$(VERSION)-gpu .

.PHONY: contract
contract: runtime ## try a searchd against its OpenAPI document with Schemathesis (about a minute and a half)
	@scripts/get-schemathesis.sh >/dev/null
	SIGHTLINE_TEST_REQUIRE=onnxruntime,schemathesis go test -count=1 -v -run '^(TestContract|TestDocumentOfAProcess)$$' ./cmd/searchd

.PHONY: lint
lint: ## run the linters, import rules among them (the first run builds them: about a minute)
	$(LINT) run
	@go fix -diff ./... | (! grep .) || (echo 'run: go fix ./...'; exit 1)

.PHONY: bench
bench: runtime ## time vision, text and match on a full-size random BLIP-base (1.8 GB of temporary files), then bench-ingest and bench-stores
	go test -run '^$$' -bench . -benchtime 5x -timeout 60m ./bench/
	$(MAKE) bench-ingest
	$(MAKE) bench-stores

.PHONY: eval-captions
eval-captions: runtime build ## caption 1,000 drawings that training has never seen: how much of it is true, CIDEr (half a minute)
	@bin/indexd model convert demo/model/captioning --out demo/out/captioner --force >/dev/null
	go run ./demo/rate --model demo/out/captioner

.PHONY: bench-ingest
bench-ingest: PYTHON ?= python3
bench-ingest: runtime ## measure importing beside the vision tower alone and transformers in PYTHON (about 12 minutes, 2 GB of disk)
	PYTHON="$(PYTHON)" bench/ingest/run.sh -results bench/ingest/results -docs docs/benchmarks.md

.PHONY: bench-load
bench-load: runtime ## measure a searchd under load: latency, depth, a broken device, memory (about 9 minutes)
	bench/load/run.sh -results bench/load/results -docs docs/benchmarks.md

.PHONY: bench-overload
bench-overload: runtime ## measure a searchd that gets more than it can do; BEFORE=COMMIT: beside the one of that commit (about 8 minutes)
	bench/load/run.sh -parts overload -results bench/load/results -docs docs/scaling.md

.PHONY: bench-load-base bench-load-base-int8
bench-load-base bench-load-base-int8: bench-load-%: runtime ## the same with a random BLIP-base, fp32 or int8 (about 25 minutes, 3 GB of disk each)
	bench/load/run.sh -model $* -results bench/load/results -docs docs/benchmarks.md

.PHONY: bench-capacity
bench-capacity: ## work out the tables and plots of docs/scaling.md from figures that were measured (seconds)
	go run ./bench/capacity --docs docs/scaling.md --images docs/images >/dev/null

.PHONY: bench-api
bench-api: runtime ## measure what the API takes besides model and index: answers from the cache, searches (about a minute)
	bench/load/run.sh -parts cached,overhead -results bench/load/results -docs docs/benchmarks.md

.PHONY: bench-stores
bench-stores: ## measure the store beside others on 100,000 and 1,000,000 items (about 17 minutes, 8 GB of disk, 12 GB of memory)
	-@scripts/get-milvus-lite.sh >/dev/null
	bench/stores/run.sh -results bench/stores/results -docs docs/benchmarks.md

.PHONY: bench-versus
bench-versus: PYTHON ?= python3
bench-versus: runtime ## measure the model beside transformers in PYTHON, with the same weights (about 13 minutes, 5 GB of disk, 20 GB of memory)
	PYTHON="$(PYTHON)" bench/versus/run.sh -results bench/versus/results -docs docs/benchmarks.md

.PHONY: bench-versus-captions
bench-versus-captions: PYTHON ?= python3
bench-versus-captions: runtime ## captions alone of these, beside transformers' generate (about 6 minutes)
	PYTHON="$(PYTHON)" bench/versus/run.sh -tables captions -results bench/versus/results -docs docs/benchmarks.md

.PHONY: bench-quality
bench-quality: runtime ## rate the demo model: searches, int8, pooled states, captions, planted faults (about 8 minutes)
	bench/quality/run.sh -results bench/quality/results -docs docs/benchmarks.md

.PHONY: bench-parts
bench-parts: ## time parts alone with Go's benchmarks: stores, caches, queue, fetching, pictures (about 5 minutes)
	go run ./bench/parts -results bench/parts/results -docs docs/benchmarks.md

.PHONY: screenshots
screenshots: DEMO ?= http://127.0.0.1:8080
screenshots: ## take the pictures of the page for docs/images, from a running 'make demo' at DEMO
	@scripts/get-chromium.sh >/dev/null
	go run ./demo/shots $(DEMO) docs/images

.PHONY: bench-summary
bench-summary: ## write the table by question and the README's figures from the raw results of all runs (seconds)
	go run ./bench/summary >/dev/null

.PHONY: eval-capfilt
eval-capfilt: runtime ## plant wrong pictures and titles in the demo catalogue and rate what 'indexd capfilt' finds (about 4 minutes)
	@bench/capfilt/run.sh

.PHONY: bench-labels
bench-labels: runtime ## measure what labels are worth on drawings whose truth is known (about 4 minutes)
	@bench/labels/run.sh

.PHONY: rehearsal bench-rehearsal
rehearsal: runtime ## play a cluster through, as processes: a new model, the death of each one, under load (about 5 minutes)
	bench/rehearsal/run.sh -results bench/rehearsal/results -docs docs/rehearsal.md
bench-rehearsal: rehearsal

.PHONY: soak bench-soak
soak: SOAK ?= 20m
soak: runtime ## keep a searchd busy and break it, for SOAK (default 20m): answers are held to what was acknowledged
	bench/soak/run.sh -duration $(SOAK) -results bench/soak/results -docs docs/soak.md
bench-soak: soak

.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME each (default 20s)
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: release
release: ## build the release archives of HEAD into dist/ and try the one for this machine (docs/release.md)
	@SIGHTLINE_ORT_LIB="$$(scripts/get-onnxruntime.sh)" scripts/release.sh

.PHONY: release-twice
release-twice: ## build them again from a clone elsewhere, with an empty build cache, and compare the bytes
	@scripts/check-reproducible.sh

.PHONY: clean
clean: ## remove what make built and the demo's data
	rm -rf bin dist demo/out
