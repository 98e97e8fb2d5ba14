# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# With KDIR, builds the module against that kernel tree. Without, calls tools/barium, which sets up all
# it needs. Kbuild describes how to build the module.

.DEFAULT_GOAL := $(if $(KDIR),modules,help)

# make has a built-in variable of this name, which selects no step of `make lint`.
ifeq ($(origin LINT),default)
LINT :=
endif

# Options of tools/barium can be set as variables of make.
export BARIUM_CACHE OUT KSRC ONLY TESTS MUTANT BENCH ACCEL DISPLAY_DEVICE KERNEL QEMU_ARGS GDB TIMEOUT_FACTOR JOBS
export ONCE FUZZ_MINUTES FUZZ_SEED REPLAY SHORTEN SOAK_MINUTES LINT LINUX MAINTAINER

# `modules` writes its output to MO if set, else next to the sources.
MO_ARG = $(if $(MO),MO=$(abspath $(MO)))

# The commands of tools/barium.
COMMANDS = setup setup-test run shell test igt desktops display-cost unplug faultinject kcsan cfi fuzz soak mutants bench \
	bench-docs in-tree in-tree-test lint deb packages vm clean distclean

.PHONY: help modules modules_clean $(COMMANDS)

help:
	@sed -n 's/^#: \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

modules modules_clean:
	@test -n "$(KDIR)" || { echo "KDIR=<built kernel tree> is missing"; exit 1; }
	@test $@ = modules_clean || tools/kernel-check "$(KDIR)"
	$(MAKE) -C $(KDIR) M=$(CURDIR) $(MO_ARG) $(if $(filter modules,$@),modules,clean)

# Ends the command if make is killed.
TIED = $(shell command -v setpriv >/dev/null && echo setpriv --pdeathsig TERM --)

$(COMMANDS):
	@$(TIED) tools/barium $@

#: Barium, a DRM driver in Rust for VRAM behind a PCI BAR.
#:
#:   make run        draw a picture into VRAM in a guest and read it back: out/vram.png
#:   make test       run all tests; results in out/results.json
#:   make shell      open a shell in a guest with the driver loaded
#:   make igt        run IGT's own tests on Barium and three other drivers: docs/igt.md
#:   make desktops   run compositors, Xorg and other programs on Barium and on bochs: docs/desktops.md
#:   make display-cost  measure what console and desktops cost the host, on Barium and on bochs
#:   make unplug     unplug the device 200 times while processes write, on the debug kernel
#:   make faultinject  fail each allocation of each call, on the debug kernel; prints a table
#:   make kcsan      run race tests on a kernel with KCSAN (builds that kernel first)
#:   make cfi        run tests on a kernel with CFI (builds that kernel first)
#:   make fuzz       run the coverage-guided fuzzer on the debug kernel: docs/reliability.md
#:   make soak       check for leaks under load with unbind and bind: docs/reliability.md
#:   make mutants    check that the tests detect deliberate bugs: docs/mutants.md
#:   make bench      compare the cost of faults and flips with other drivers: out/bench.json, plots
#:   make bench-docs copy the last tables and plots to README.md and docs/
#:   make in-tree LINUX=<7.3 source tree>
#:                   add the driver to a kernel tree, as drivers/gpu/drm/barium
#:   make in-tree-test  check a kernel tree with the driver, build it with =y and =m, boot both
#:   make lint       rustfmt, clippy, rustdoc (out/doc), checkpatch, ShellCheck, and rules of this
#:                   driver: where unsafe is allowed, which module may use which, what must not compile
#:   make deb        build Debian packages of the driver: out/deb
#:   make packages   install these packages in Debian, boot it, upgrade and remove them: half an hour
#:   make vm         boot a Debian desktop on Barium, with these packages installed: out/vm.png
#:   make setup      set up toolbox, kernels and guest image, and nothing else
#:   make setup-test check that the set-up reports problems and survives interruptions
#:   make clean      remove out/
#:   make distclean  remove out/ and the cache
#:   make KDIR=<built kernel tree> [MO=<output directory>] [LLVM=1]
#:                   build the module for a kernel of your own, with your own tools
#:
#: Options, as variables of make or of the environment:
#:
#:   ARCH=<name>            setup, run, shell, test, mutants, fuzz, bench: architecture of the guests: x86_64
#:                          (default), arm64 (pages of 4 KiB), arm64-16k, arm64-64k or riscv64; bench knows no
#:                          riscv64; results in out/<name>
#:   BARIUM_CACHE=<dir>     directory of the cached set-up (default ~/.cache/barium)
#:   OUT=<dir>              directory of the results (default out)
#:   KSRC=<dir>             Linux 7.3 source tree, instead of the mirror's package
#:   LINUX=<dir>            in-tree, in-tree-test: Linux 7.3 source tree that gets the driver
#:                          (default of in-tree-test: a copy of the mirror's package)
#:   MAINTAINER='Name <address>'  in-tree: maintainer in the MAINTAINERS entry
#:   ONLY=<text>            test: only guests with this in their name, such as opt/VGA; in-tree-test:
#:                          only steps, such as y, m or kunit; packages: only groups, such as T3;
#:                          desktops: only Barium or bochs; display-cost: host or reads
#:   TESTS=<regex>          test, igt, desktops, display-cost: only tests whose name matches, such as barium_mmap@
#:   LINT=<text>            lint: only steps with this in their name, such as driver or rooms
#:   MUTANT=<text>          mutants: only those with this in their name
#:   BENCH=<text>           bench: only workloads with this in their name, such as seq-8M
#:   FUZZ_MINUTES=<n>       fuzz: duration (default 30)
#:   FUZZ_SEED=<n>          fuzz: seed of the programs (default: a random one)
#:   REPLAY=<file>          fuzz: replay the programs that an earlier run saved, step by step
#:   SHORTEN=1              fuzz: shorten the program of REPLAY as long as it fails
#:   SOAK_MINUTES=<n>       soak: duration (default 20)
#:   JOBS=<n>               test, mutants: number of concurrent guests (default 2)
#:   TIMEOUT_FACTOR=<n>     multiplies all time limits, for slow machines
#:   ACCEL=kvm              accelerator of QEMU (default tcg, which works everywhere)
#:   DISPLAY_DEVICE=<name>  run, shell: bochs-display (default), VGA or secondary-vga; vm: a display as
#:                          QEMU's -device takes it (default VGA,vgamem_mb=32)
#:   KERNEL=<name>          run, shell: stock is Debian's own kernel (default), opt an optimised one, and
#:                          debug one with KASAN, lockdep and so on, both built from source; fuzz:
#:                          debug (default), or opt, which is faster, without coverage and with fewer checks
#:   ONCE=1                 vm: end when the desktop has come up
#:   QEMU_ARGS=<args>       shell, vm: additional arguments for QEMU
#:   GDB=1                  shell: wait for gdb on the socket out/vm/shell/gdb
