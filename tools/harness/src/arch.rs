// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The architectures of guests: how QEMU emulates one, and how programs for it are built. tools/foreign.sh
//! sets up what all but [`X86_64`] need.

use std::path::Path;
use std::process::Command;

/// Directory with QEMU for other architectures than the toolbox's.
const QEMU: &str = "/barium/qemu";

/// The architecture of a guest.
pub struct Arch {
    /// The value of ARCH.
    pub name: &'static str,
    /// Path of the kernel's image in its build directory.
    pub image: &'static str,
    /// The program that emulates the machine.
    pub qemu: &'static str,
    /// QEMU's arguments for machine and CPU.
    pub machine: &'static [&'static str],
    /// QEMU's arguments for native PCIe hot-plug, which the guests' kernels are built for.
    pub hot_plug: &'static [&'static str],
    /// The console, below /dev.
    pub console: &'static str,
    /// The control line, below /dev.
    pub control: &'static str,
    /// Words for the kernel's command line.
    pub boot: &'static [&'static str],
    /// Memory of guests without checkers in their kernel.
    pub memory: &'static str,
    /// The display of most tests.
    pub display: &'static str,
    /// A display for tests of huge entries, if `display` has too little VRAM for them. The machine has no
    /// room for a second one, so that it cannot be hot-plugged.
    pub huge_display: Option<&'static str>,
    /// A CPU that does not note in a page table entry that the page was written to: its name, and QEMU's
    /// argument for it.
    pub plain_cpu: Option<(&'static str, &'static str)>,
    /// How programs for the architecture are built; `None` for that of the toolbox.
    pub cross: Option<Cross>,
}

/// How programs for another architecture than the toolbox's are built.
pub struct Cross {
    /// Arguments of `make` for building kernel modules.
    pub module: &'static [&'static str],
    /// Name of the architecture in the directories of libraries.
    triplet: &'static str,
}

/// The architecture of the toolbox.
pub static X86_64: Arch = Arch {
    name: "x86_64",
    image: "arch/x86/boot/bzImage",
    qemu: "qemu-system-x86_64",
    // No five-level paging: for a moment during CPU identification, the kernel does not know that it is
    // enabled, and KASAN then reports an interrupt's accesses as wild.
    machine: &["-M", "q35", "-cpu", "max,la57=off"],
    hot_plug: &[
        "-global",
        "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
    ],
    console: "ttyS0",
    control: "ttyS1",
    // No check of the timer interrupt: on a busy host it comes too late, and the kernel panics.
    boot: &["no_timer_check"],
    memory: "1G",
    display: "bochs-display",
    huge_display: None,
    plain_cpu: None,
    cross: None,
};

const ARM64: Arch = Arch {
    name: "arm64",
    image: "arch/arm64/boot/Image",
    qemu: "qemu-system-aarch64",
    // QEMU's own algorithm for pointer authentication is fast.
    machine: &["-M", "virt,gic-version=3", "-cpu", "max,pauth-impdef=on"],
    hot_plug: &[],
    console: "ttyAMA0",
    control: "hvc0",
    boot: &[],
    memory: "1G",
    display: "bochs-display",
    huge_display: None,
    plain_cpu: Some(("cortex-a57", "cortex-a57")),
    cross: Some(Cross {
        module: &["ARCH=arm64", "LLVM=1"],
        triplet: "aarch64-linux-gnu",
    }),
};

const RISCV64: Arch = Arch {
    name: "riscv64",
    image: "arch/riscv/boot/Image",
    qemu: "qemu-system-riscv64",
    machine: &[
        "-M",
        "virt",
        "-cpu",
        "max",
        "-bios",
        "/barium/qemu/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
    ],
    hot_plug: &[],
    console: "ttyS0",
    control: "hvc0",
    boot: &[],
    memory: "1G",
    display: "bochs-display",
    huge_display: None,
    // Entries have a memory type, as those of `max` have.
    plain_cpu: Some(("rv64", "rv64,svadu=off,svpbmt=on")),
    cross: Some(Cross {
        module: &["ARCH=riscv", "LLVM=1"],
        triplet: "riscv64-linux-gnu",
    }),
};

static ALL: [&Arch; 5] = [
    &X86_64,
    &ARM64,
    &Arch {
        name: "arm64-16k",
        memory: "2G",
        // The machine has room for two such displays.
        display: "bochs-display,vgamem=128M",
        huge_display: Some("bochs-display,vgamem=256M"),
        plain_cpu: None,
        ..ARM64
    },
    &Arch {
        name: "arm64-64k",
        memory: "2G",
        // As above. That is half as many pages of VRAM as other guests have.
        display: "bochs-display,vgamem=128M",
        plain_cpu: None,
        ..ARM64
    },
    &RISCV64,
];

impl Arch {
    /// Returns the architecture with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|arch| arch.name == name)
    }

    /// Returns true for the architecture of the toolbox.
    pub fn is_native(&self) -> bool {
        self.cross.is_none()
    }

    /// Adds to `command`, which starts QEMU, where its libraries are.
    pub fn add_libraries(&self, command: &mut Command) {
        if !self.is_native() {
            let libraries = Path::new(QEMU).join("usr/lib/x86_64-linux-gnu");
            command.env("LD_LIBRARY_PATH", libraries);
        }
    }

    /// Returns QEMU's path, or its name if it is in `$PATH`.
    pub fn qemu_path(&self) -> String {
        match self.cross {
            None => self.qemu.into(),
            Some(_) => format!("{QEMU}/usr/bin/{}", self.qemu),
        }
    }

    /// Returns QEMU's arguments for the control line, whose character device is `control`: a second UART,
    /// or a virtio console on machines that have one UART only.
    pub fn control_arguments(&self) -> &'static [&'static str] {
        match self.cross {
            None => &["-serial", "chardev:control"],
            Some(_) => &[
                "-device",
                "virtio-serial-pci,vectors=0",
                "-device",
                "virtconsole,chardev=control",
            ],
        }
    }
}

impl Cross {
    /// Adds to `command`, a `make` of C programs, how to compile for the architecture: with clang, and with
    /// the libraries and headers in `sysroot`.
    pub fn add_compiler(&self, command: &mut Command, sysroot: &Path) {
        let triplet = self.triplet;
        let root = sysroot.display();
        command
            .arg(format!("CC=clang --target={triplet} --sysroot={root}"))
            .arg("LDFLAGS=-fuse-ld=lld")
            .env("PKG_CONFIG_SYSROOT_DIR", sysroot)
            .env(
                "PKG_CONFIG_LIBDIR",
                sysroot.join(format!("usr/lib/{triplet}/pkgconfig")),
            );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_has_one_name() {
        for arch in ALL {
            assert!(std::ptr::eq(Arch::named(arch.name).unwrap(), arch));
        }
        assert!(Arch::named("arm7").is_none());
    }
}
