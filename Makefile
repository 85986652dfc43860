# make demo   the main job on an embedded data set, installs included
# make test   every fast test, in an environment for each interpreter
# make test-aarch64   the device's tests on an emulated Raspberry Pi
# make check-wheels   whether pip finds wheels for a Raspberry Pi
PYTHON ?= python3
PYTHON311 ?= $(shell for p in $(PYTHON) python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 12))' \
	2>/dev/null && echo $$p && break; done)

VENV := .venv
TRAIN := $(VENV)/train
LITERT := $(VENV)/litert
TFLITE := $(VENV)/tflite-runtime
PIP := -m pip install --quiet --disable-pip-version-check
FAST_TESTS := -m pytest -m "not slow" -n 2 --dist loadfile

# bookworm has Python 3.11, trixie 3.13, as Raspberry Pi OS of that name has.
DEBIAN ?= bookworm
# cortex-a72 is the processor of a Raspberry Pi 4, cortex-a76 that of a 5.
QEMU_CPU ?= cortex-a72
AARCH64 := $(VENV)/aarch64-$(DEBIAN)

.PHONY: demo test test-slow test-aarch64 check-wheels clean

demo: $(TRAIN)/installed
	$(TRAIN)/bin/python -m ddi_tf.train --flagfile=configs/demo.cfg --run=runs/demo
	rm -rf bundles/demo
	$(TRAIN)/bin/python -m converters.export --checkpoint=runs/demo --output=bundles/demo
	$(TRAIN)/bin/python benchmarks/compare.py --run=runs/demo --bundle=bundles/demo \
		--split=test --output=runs/demo/compare.json
	for split in tune test; do $(TRAIN)/bin/python -m ddi_tf.evaluate \
		--run=runs/demo --split=$$split >runs/demo/$$split.json || exit; done
	$(TRAIN)/bin/python -m ddi_tf.report --runs=runs/demo --output=runs/demo/report.html

test: $(TRAIN)/installed $(LITERT)/installed $(if $(PYTHON311),$(TFLITE)/installed)
	@echo "--- training and converters, with TensorFlow and LiteRT"
	$(TRAIN)/bin/python $(FAST_TESTS) --ignore=tests/device
	@echo "--- the device package without TensorFlow, with LiteRT"
	$(LITERT)/bin/python $(FAST_TESTS) tests/device
ifneq ($(PYTHON311),)
	@echo "--- the device package without TensorFlow, with tflite-runtime"
	$(TFLITE)/bin/python $(FAST_TESTS) tests/device
else
	@echo "--- tflite-runtime has no wheel for this Python: give PYTHON311="
	@exit 1
endif

test-slow: $(TRAIN)/installed
	$(TRAIN)/bin/python -m pytest -m slow

test-aarch64: $(AARCH64)/installed
	tests/aarch64/board.sh $(AARCH64)/root $(QEMU_CPU)
	QEMU_CPU=$(QEMU_CPU) $(AARCH64)/bin/python $(FAST_TESTS) tests/device

check-wheels: $(VENV)/aarch64-bookworm/installed $(VENV)/aarch64-trixie/installed
	for release in bookworm trixie; do \
		echo "--- Debian $$release"; $(VENV)/aarch64-$$release/bin/python $(PIP) \
		--dry-run --ignore-installed --only-binary=:all: \
		".[device,power,camera,metrics,report]" || exit; done

clean:
	rm -rf $(VENV) runs/demo bundles/demo *.egg-info build

$(TRAIN)/installed: setup.cfg
	@echo "Installing TensorFlow and the rest in $(TRAIN): 2 GB, some minutes."
	$(PYTHON) -m venv $(TRAIN)
	$(TRAIN)/bin/python $(PIP) -e ".[train,report,device,power,metrics,micro,test]"
	@touch $@

$(LITERT)/installed: setup.cfg
	$(PYTHON) -m venv $(LITERT)
	$(LITERT)/bin/python $(PIP) -e ".[device,power,metrics,test]"
	@touch $@

$(TFLITE)/installed: setup.cfg
	$(PYTHON311) -m venv $(TFLITE)
	$(TFLITE)/bin/python $(PIP) -e ".[device-tflite-runtime,power,metrics,test]"
	@touch $@

# $* is the release of Debian. Building from source would take an emulated hour.
$(VENV)/aarch64-%/installed: setup.cfg tests/aarch64/make_environment.sh
	@echo "Installing an emulated Debian $* in $(@D): 0.3 GB, some minutes."
	tests/aarch64/make_environment.sh $* $(@D)
	$(@D)/bin/python $(PIP) --only-binary=:all: -e ".[device,power,metrics,test]"
	@touch $@
