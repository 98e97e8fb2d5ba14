# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# With KDIR: builds the module against that kernel tree. Without: hands over to tools/barium, which
# brings everything else with it. The module's own build description is Kbuild.

.DEFAULT_GOAL := $(if $(KDIR),modules,help)

# Options of tools/barium may be given as variables of make too.
export BARIUM_CACHE OUT KSRC ONLY TESTS MUTANT BENCH ACCEL DISPLAY_DEVICE KERNEL QEMU_ARGS GDB TIMEOUT_FACTOR JOBS
export FUZZ_MINUTES FUZZ_SEED REPLAY SHORTEN SOAK_MINUTES LINT

# Build outputs of `modules` go to MO if it is given, else next to the sources.
MO_ARG = $(if $(MO),MO=$(abspath $(MO)))

# What tools/barium is for.
COMMANDS = setup setup-test run shell test igt unplug faultinject kcsan cfi fuzz soak mutants bench \
	bench-docs lint clean distclean

.PHONY: help modules modules_clean $(COMMANDS)

help:
	@sed -n 's/^#: \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

modules modules_clean:
	@test -n "$(KDIR)" || { echo "KDIR=<built kernel tree> is missing"; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) $(MO_ARG) $(if $(filter modules,$@),modules,clean)

# When make is killed, so is what it started.
TIED = $(shell command -v setpriv >/dev/null && echo setpriv --pdeathsig TERM --)

$(COMMANDS):
	@$(TIED) tools/barium $@

#: Barium, a DRM driver in Rust for VRAM behind a PCI BAR.
#:
#:   make run        draw a picture into VRAM in a guest, read it back: out/vram.png
#:   make test       all tests; results in out/results.json
#:   make shell      a prompt in a guest with the driver loaded
#:   make igt        IGT's own tests, on this driver and on bochs, half an hour: docs/igt.md
#:   make unplug     take the device away from writing processes 200 times, on the debug kernel
#:   make faultinject  fail each allocation of each call, on the debug kernel; ends with a table
#:   make kcsan      let threads race on a kernel that looks for data races (builds that one first)
#:   make cfi        use the driver on a kernel that checks the type of each callback (builds that one first)
#:   make fuzz       random calls on the debug kernel, guided by coverage: docs/reliability.md
#:   make soak       a mixed load with unbind and bind, for leaks and growth: docs/reliability.md
#:   make mutants    break the driver in many ways, see that tests notice: docs/mutants.md
#:   make bench      what faults cost, beside TTM, shmem and eager mapping: out/bench.json and plots
#:   make bench-docs put its last tables and plots into README.md and docs/
#:   make lint       rustfmt, clippy, rustdoc (out/doc), checkpatch, ShellCheck, and rules of the driver's
#:                   own: where unsafe may be, who may use whom, what must not compile
#:   make setup      only set up what the others need: toolbox, kernels, guest image
#:   make setup-test kill, starve and disturb that, see that it says what is wrong and recovers
#:   make clean      remove out/
#:   make distclean  remove out/ and the cache
#:   make KDIR=<built kernel tree> [MO=<output directory>] [LLVM=1]
#:                   build the module for a kernel of your own, with your own tools
#:
#: Options, as variables of make or of the environment:
#:
#:   BARIUM_CACHE=<dir>     where the set-up is kept (default ~/.cache/barium)
#:   OUT=<dir>              where results go (default out)
#:   KSRC=<dir>             a Linux 7.3 source tree to use instead of the package mirror's
#:   ONLY=<text>            test: only guests with this in their name, e.g. opt/VGA
#:   TESTS=<regex>          test, igt: only tests with names like this, e.g. barium_mmap@
#:   LINT=<text>            lint: only steps with this in their name, e.g. driver or rooms
#:   MUTANT=<text>          mutants: only those with this in their name
#:   BENCH=<text>           bench: only workloads with this in their name, e.g. seq-8M
#:   FUZZ_MINUTES=<n>       fuzz: how long (default 30)
#:   FUZZ_SEED=<n>          fuzz: what the programs follow from (default: a new one)
#:   REPLAY=<file>          fuzz: run what an earlier run has left there, step by step
#:   SHORTEN=1              fuzz: make the program of REPLAY shorter, as long as it fails
#:   SOAK_MINUTES=<n>       soak: how long (default 20)
#:   JOBS=<n>               test, mutants: guests at a time (default 2)
#:   TIMEOUT_FACTOR=<n>     more time, for slow machines
#:   ACCEL=kvm              QEMU's accelerator (default tcg, which works everywhere)
#:   DISPLAY_DEVICE=<name>  run, shell: bochs-display (default), VGA or secondary-vga
#:   KERNEL=debug           shell: the kernel with KASAN, lockdep and so on (default opt); fuzz: opt is
#:                          faster, blind, and notices less
#:   QEMU_ARGS=<args>       shell: further arguments for QEMU
#:   GDB=1                  shell: wait for gdb on the socket out/vm/shell/gdb
