// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The guests of the tests: kernel, devices, scenario and parameters of each.

use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::settings::{Flavour, Settings};
use crate::{command, run, Result};

/// A set of module parameters for the driver; tools/guest/lib.sh defines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Fault-around and huge entries.
    Default,
    /// A fault maps one page.
    Strict,
    /// Fault-around without huge entries.
    Around,
    /// Huge entries, and single pages where a huge entry is not possible.
    Huge,
    /// As the default; each fifth fault moves its object out of VRAM or into it.
    Moves,
}

impl Mode {
    /// The modes that users choose, the default first.
    pub const ALL: [Mode; 4] = [Mode::Default, Mode::Strict, Mode::Around, Mode::Huge];

    /// The name in the guest's scripts and in the names of tests.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Default => "default",
            Mode::Strict => "strict",
            Mode::Around => "around",
            Mode::Huge => "huge",
            Mode::Moves => "moves",
        }
    }
}

/// A guest of `make test`.
#[derive(Clone)]
pub struct Guest {
    /// Kernel and display; the prefix of the names of its tests.
    pub name: String,
    /// Its kernel.
    pub flavour: Flavour,
    /// Script in tools/guest.
    pub scenario: &'static str,
    /// QEMU arguments.
    pub devices: Vec<String>,
    /// Additional arguments for the kernel's command line.
    pub boot: &'static [&'static str],
    /// Regular expression for the tests that run if the user selects none; empty selects all.
    pub tests: &'static str,
    /// Modes of the driver. All tests run in the first, tests that depend on the mode run in all.
    pub modes: Vec<Mode>,
    /// Regular expression for the tests that depend on the mode.
    pub mode_tests: &'static str,
    /// Additional `name=value` parameters for its scripts.
    pub parameters: Vec<String>,
    /// The guest has an empty disk, /dev/vde, to swap to or to hibernate on.
    pub swap: bool,
    /// The guest has its kernel and its initramfs on disks, /dev/vde and /dev/vdf, for kexec.
    pub kexec: bool,
    /// Number of rounds of each unplugging test; 0 selects the test's own default.
    pub unplug_rounds: u32,
    /// Time limit in seconds.
    pub limit: u32,
    /// Typical duration in seconds on two cores.
    pub typical: u32,
    /// Time limit of one IGT test in seconds.
    pub test_limit: u32,
    /// Run the tests that make allocations fail, if the kernel can do that.
    pub failing_allocations: bool,
    /// Run the self-check of IGT's result reporting.
    pub self_check: bool,
}

/// Tests that depend on the mode. The debug kernel, being slow, runs those that cover most of the
/// code.
const MODE_TESTS: &str =
    "@barium_(mmap|fault|fault_count|cache_mode|fork|huge|ahead|access|prime(_share)?|lifetime|\
     hotunplug|hotunplug_race|rebind|race|race_unplug)@";
const MODE_TESTS_DEBUG: &str =
    "@barium_(mmap|fault|fault_count|cache_mode|fork|huge|ahead|access)@";

/// The tests of the guest with [`Mode::Moves`].
const MOVE_TESTS: &str = "@barium_(mmap|access|fork|debugger|race|race_unplug|hotunplug_race)@|\
     @barium_prime@(map|cow|read|vm|debugger|sync|export)|\
     @barium_(kms|move|scanout)@(flip|odd-starts|panning|greeter|shown-stays|all-mappings|new-picture)|\
     @barium_shadow@(flip|panning|damage|dirtyfb|dpms|shrink)|@barium_shadow_prime@|\
     @barium_madvise@(kept|shown)|\
     @barium_shrink@(dontneed|memory|needed|shared|framebuffer|swapped|attached|accessed|written)|\
     @barium_shrink@(closed|unbound)";

/// The tests of the guest with little memory.
const LITTLE_MEMORY_TESTS: &str =
    "@barium_(oversubscribe|move|scanout|shrink)@|@barium_trace@swap-out";

/// Rounds of unplugging on the debug kernel, in `make test` and in `make unplug`.
const UNPLUG_ROUNDS: u32 = 3;
const UNPLUG_ROUNDS_LONG: u32 = 200;

/// The test of `make unplug`.
pub const UNPLUG_TEST: &str = "^igt@barium_hotunplug_race@writers$";

/// Makes the firmware set up a framebuffer of 800x600 pixels with 32 bits, which the driver must
/// take over.
const FIRMWARE_FB: &[&str] = &["vga=0x343"];

/// Lets programs map the BARs of a bound device, which Debian's kernel forbids (`IO_STRICT_DEVMEM`).
/// Tests read the registers of the display in this way.
const SHARED_BARS: &[&str] = &["iomem=relaxed"];

/// Enables the console on the screen, and makes the kernel halt after a panic.
const CONSOLE_THEN_PANIC: &[&str] = &["drm_client_lib.active=fbdev", "panic=0"];

/// Makes the kernel look for a hibernation image before it starts the first process. Compressing an
/// image takes longer than writing it.
const RESUME: &[&str] = &["resume=/dev/vde", "hibernate=nocompress"];

/// Leaves most of the memory unused. Lets tests read the registers, as [`SHARED_BARS`] does.
const LITTLE_MEMORY: &[&str] = &["mem=152M", "iomem=relaxed"];

/// The tests of `make kcsan`.
pub const RACE_TESTS: &str = "^igt@barium_(race|race_unplug|hotunplug_race|ahead|lifetime)@";

/// The tests of `make cfi`: binding, each kind of mapping and of fault, the display, sleep, dma-buf,
/// unbinding.
pub const CFI_TESTS: &str = "^load$|^oracle@|^rebind@|^suspend@|\
     ^igt@barium_(access|cache_mode|create|debugger|dumb|fault|huge|hotunplug|kms|lifetime|mmap|prime|\
     prime_share|vblank)@|^igt@(kms_addfb_basic|kms_flip|kms_setmode|drm_read|core_)";

/// The tests of `make faultinject`, and of a guest of `make test`.
const FAULT_TESTS: &str = "^igt@barium_(system_)?(faultinject|bind_fails)|^kmemleak$|^vram@";

/// All guests of `make test` in start order. Those of the debug kernel take as long as all others
/// together, so they are among the first; the optimised one beside them shows failures early.
pub fn all(settings: &Settings) -> Vec<Guest> {
    if !settings.arch.is_native() {
        return match settings.kernel {
            Some(Flavour::Debug) => vec![foreign_debug(settings.arch)],
            _ => foreign(settings.arch),
        };
    }
    let mut guests = vec![
        Guest {
            modes: Mode::ALL.into(),
            self_check: true,
            limit: 1000,
            typical: 300,
            ..display(Flavour::Opt, "bochs-display")
        },
        Guest {
            modes: Mode::ALL.into(),
            mode_tests: MODE_TESTS_DEBUG,
            unplug_rounds: UNPLUG_ROUNDS,
            // They run in the guest beside it.
            failing_allocations: false,
            limit: 3000,
            typical: 1200,
            ..display(Flavour::Debug, "bochs-display")
        },
        faults(),
        fuzz(settings, FuzzLength::Programs(FUZZ_PROGRAMS), FUZZ_SEED),
        Guest {
            modes: Mode::ALL.into(),
            boot: SHARED_BARS,
            limit: 1000,
            typical: 300,
            ..display(Flavour::Stock, "bochs-display")
        },
        display(Flavour::Opt, "VGA"),
        display(Flavour::Opt, "secondary-vga"),
        handover(Flavour::Opt, "simple", "VGA"),
        handover(Flavour::Stock, "vesafb", "VGA"),
        handover(Flavour::Stock, "efifb", "bochs-display"),
        held_open("vesafb", "VGA"),
        held_open("efifb", "bochs-display"),
        Guest {
            name: "opt/display".into(),
            scenario: "display",
            devices: run::display("bochs-display,vgamem=32M"),
            limit: 300,
            typical: 70,
            ..display(Flavour::Opt, "")
        },
        desktops(),
        Guest {
            name: "opt/console".into(),
            scenario: "console",
            devices: run::display("VGA"),
            boot: CONSOLE_THEN_PANIC,
            limit: 100,
            typical: 15,
            ..display(Flavour::Opt, "")
        },
        parameters(),
        moves(Flavour::Opt),
        little_memory(),
        hibernate("bochs-display", "shutdown"),
        hibernate("VGA", "platform"),
        sleep("vesafb", "VGA", "platform"),
        sleep("efifb", "bochs-display", "shutdown"),
        kexec("vesafb", "VGA"),
        kexec("efifb", "bochs-display"),
        kexec_to_bochs("vesafb", "VGA"),
        kexec_to_bochs("efifb", "bochs-display"),
        Guest {
            name: "opt/devices".into(),
            scenario: "devices",
            devices: odd_devices(settings),
            boot: FIRMWARE_FB,
            limit: 200,
            typical: 30,
            ..display(Flavour::Opt, "")
        },
    ];
    for (number, displays) in (1..).zip(MATRIX) {
        guests.push(reach(number, displays, false));
        guests.push(reach(number, displays, true));
    }
    guests
}

/// The tests whose result depends on who notes that a page was written to: the CPU or a fault handler.
const DIRTY_TESTS: &str = "^load$|^igt@barium_(system_)?(fault_count|huge|ahead)@";

/// The tests of the guest with room for huge entries.
const HUGE_TESTS: &str =
    "^load$|^kunit@|^oracle@|^igt@barium_(access|ahead|cache_mode|debugger|fork|huge|madvise|mmap|move|race)@";

/// The tests of the guest with the default of VRAM, where others have more.
const LITTLE_VRAM_TESTS: &str =
    "^load$|^oracle@|^igt@barium_(blank|budget|fair|kms|reach|scanout|shadow)@|^igt@barium_move@cache";

/// All guests of `make test` for another architecture. They have no firmware, so nothing sets up a
/// framebuffer before the driver.
fn foreign(arch: &Arch) -> Vec<Guest> {
    let guest = |name: &str, device: &str| Guest {
        name: format!("{}/{name}", arch.name),
        devices: run::ports(arch, device),
        ..display(Flavour::Opt, "")
    };
    let mut display = Guest {
        scenario: "display",
        limit: 600,
        typical: 120,
        ..guest("display", "bochs-display,vgamem=32M")
    };
    // Weston ends without an input device, and the machine has none.
    display.devices.extend(devices(&["virtio-keyboard-pci"]));
    let mut guests = vec![
        Guest {
            modes: Mode::ALL.into(),
            self_check: true,
            limit: 1500,
            typical: 400,
            ..guest("bochs-display", arch.display)
        },
        display,
        Guest {
            scenario: "console",
            boot: CONSOLE_THEN_PANIC,
            limit: 200,
            typical: 30,
            ..guest("console", "VGA")
        },
    ];
    guests.extend(arch.huge_display.map(|display| Guest {
        tests: HUGE_TESTS,
        modes: Mode::ALL.into(),
        limit: 600,
        typical: 90,
        ..guest("huge", display)
    }));
    if arch.display != "bochs-display" {
        guests.push(Guest {
            tests: LITTLE_VRAM_TESTS,
            limit: 600,
            typical: 90,
            ..guest("little-vram", "bochs-display")
        });
    }
    guests.extend(arch.plain_cpu.map(|(name, cpu)| {
        let mut guest = Guest {
            tests: DIRTY_TESTS,
            modes: Mode::ALL.into(),
            limit: 600,
            typical: 90,
            ..guest(name, arch.display)
        };
        // QEMU takes the last of several CPUs.
        guest.devices.extend(["-cpu", cpu].map(String::from));
        guest
    }));
    guests
}

/// The tests of [`foreign_debug`]: mappings, races, hot-unplug.
const FOREIGN_DEBUG_TESTS: &str = "^load$|^kunit@|^oracle@|^rebind@|^kmemleak$|^vram@|\
     ^igt@barium_(system_)?(access|ahead|cache_mode|fault|fault_count|fork|hotunplug|hotunplug_race|huge|\
     lifetime|memory_type|mmap|move|prime|race|race_unplug|rebind|shadow)@";

/// The guest of `KERNEL=debug make test` for another architecture.
fn foreign_debug(arch: &Arch) -> Guest {
    Guest {
        name: format!("{}/debug", arch.name),
        devices: run::ports(arch, "bochs-display"),
        tests: FOREIGN_DEBUG_TESTS,
        modes: Mode::ALL.into(),
        mode_tests: MODE_TESTS_DEBUG,
        unplug_rounds: UNPLUG_ROUNDS,
        limit: 3000,
        typical: 1200,
        ..display(Flavour::Debug, "")
    }
}

/// A guest whose firmware sets up a framebuffer on `device`, which the kernel's driver `fb` then uses.
/// Debian's kernel has no simpledrm.
fn handover(flavour: Flavour, fb: &str, device: &str) -> Guest {
    // Not behind a bridge: the VGA BIOS would not find the framebuffer.
    let mut devices = devices(&[&format!("{device},id=display0")]);
    let mut boot = FIRMWARE_FB;
    if fb == "efifb" {
        devices.extend(["-bios", UEFI].map(String::from));
        boot = &[];
    }
    Guest {
        name: format!("{}/handover-{fb}", flavour.name()),
        scenario: "handover",
        devices,
        boot,
        parameters: vec![format!("guest_firmware_fb={fb}")],
        limit: 150,
        typical: 20,
        ..display(flavour, "")
    }
}

/// A guest like that of [`handover`], in which a process has the framebuffer's fbdev device open.
fn held_open(fb: &str, device: &str) -> Guest {
    let mut guest = handover(Flavour::Stock, fb, device);
    guest.name = format!("stock/held-open-{fb}");
    guest.parameters.push("guest_hold_open=1".into());
    guest
}

/// The guest with compositors and an X server, whose display is as users have it: QEMU's default of
/// VRAM, no render node, and the kernel's console.
fn desktops() -> Guest {
    Guest {
        name: "opt/desktops".into(),
        scenario: "desktops",
        parameters: ["guest_render_node=0", "drm_client_lib.active=fbdev"]
            .map(String::from)
            .into(),
        limit: 400,
        typical: 110,
        ..display(Flavour::Opt, "bochs-display")
    }
}

/// A guest that runs the tests of mappings while each few faults move an object. Tests are left out that
/// count faults, or that rely on which objects are in VRAM.
fn moves(flavour: Flavour) -> Guest {
    Guest {
        name: format!("{}/moves", flavour.name()),
        scenario: "swap",
        modes: vec![Mode::Moves],
        mode_tests: MOVE_TESTS,
        swap: true,
        limit: 400,
        typical: 60,
        ..display(flavour, "bochs-display")
    }
}

/// A guest with less memory than its clients use. It swaps to compressed memory.
fn little_memory() -> Guest {
    Guest {
        name: "stock/little-memory".into(),
        scenario: "swap",
        boot: LITTLE_MEMORY,
        mode_tests: LITTLE_MEMORY_TESTS,
        parameters: vec!["guest_swap=zram".into()],
        limit: 600,
        typical: 60,
        ..display(Flavour::Stock, "bochs-display")
    }
}

/// The guest that tests the module's parameters.
fn parameters() -> Guest {
    Guest {
        name: "opt/parameters".into(),
        scenario: "parameters",
        boot: &["vga=0x343", "nomodeset"],
        parameters: vec!["guest_render_node=0".into()],
        ..handover(Flavour::Opt, "simple", "VGA")
    }
}

/// The UEFI firmware in the toolbox.
const UEFI: &str = "/usr/share/ovmf/OVMF.fd";

/// A kind of display, and its VRAM sizes in MiB.
type Displays = &'static [(&'static str, &'static [u32])];

/// Displays of all kinds with VRAM of all sizes; each guest has as many as fit below 4 GiB.
const MATRIX: &[Displays] = &[
    &[
        ("VGA", &[4, 8, 16, 32, 64, 128, 256]),
        ("bochs-display", &[4, 8, 16, 32, 64, 128]),
    ],
    &[
        ("secondary-vga", &[4, 8, 16, 32, 64, 128, 256]),
        ("bochs-display", &[256]),
    ],
    &[("VGA", &[512])],
];

/// A guest that tests how far displays reach, with the kernel's console on them or with clients.
fn reach(number: u32, displays: Displays, console: bool) -> Guest {
    let mut arguments = Vec::new();
    let mut list = Vec::new();
    let sizes = displays
        .iter()
        .flat_map(|(kind, sizes)| sizes.iter().map(move |mib| (kind, mib)));
    for (slot, (kind, mib)) in (FIRST_FREE_SLOT..).zip(sizes) {
        let id = format!("{kind}-{mib}");
        let vram = match *kind {
            "bochs-display" => format!("vgamem={mib}M"),
            _ => format!("vgamem_mb={mib}"),
        };
        arguments.extend([
            "-device".into(),
            format!("{kind},id={id},{vram},romfile=,addr={slot:#x}"),
        ]);
        list.push(format!("{id}=0000:00:{slot:02x}.0"));
    }
    let mut parameters = vec![format!("guest_displays={}", list.join(","))];
    if console {
        parameters.extend(["guest_console=1", "drm_client_lib.active=fbdev"].map(String::from));
    }
    let what = if console { "console" } else { "reach" };
    Guest {
        name: format!("opt/{what}-{number}"),
        scenario: "reach",
        devices: arguments,
        parameters,
        limit: 400,
        typical: 20,
        ..display(Flavour::Opt, "")
    }
}

/// The first address on the PCI bus that QEMU uses for nothing else.
const FIRST_FREE_SLOT: u32 = 0x10;

/// A guest with one display that hibernates; it powers off in the way `how`, a word for
/// /sys/power/disk.
fn hibernate(device: &str, how: &str) -> Guest {
    Guest {
        name: format!("opt/hibernate-{device}"),
        scenario: "hibernate",
        boot: RESUME,
        parameters: vec![format!("guest_hibernate={how}")],
        swap: true,
        limit: 150,
        typical: 30,
        ..display(Flavour::Opt, device)
    }
}

/// A guest like that of [`handover`] that sleeps while a compositor or an X server uses the display, and
/// powers off in the way `how` when it hibernates. Its initramfs resumes it: the kernel's disk driver is a
/// module.
fn sleep(fb: &str, device: &str, how: &str) -> Guest {
    let mut guest = handover(Flavour::Stock, fb, device);
    guest.name = format!("stock/sleep-{device}");
    guest.scenario = "sleep";
    guest.swap = true;
    guest.parameters.extend(
        [
            &format!("guest_hibernate={how}"),
            "guest_resume=vde",
            "guest_render_node=0",
            "hibernate=nocompress",
            "drm_client_lib.active=fbdev",
        ]
        .map(String::from),
    );
    guest.limit = 400;
    guest.typical = 120;
    guest
}

/// A guest like that of [`handover`] that starts a second kernel by kexec and a third one by a panic.
/// Debian's kernel can be started at any address, which that needs.
fn kexec(fb: &str, device: &str) -> Guest {
    let mut guest = handover(Flavour::Stock, fb, device);
    guest.name = format!("stock/kexec-{device}");
    guest.scenario = "kexec";
    guest.kexec = true;
    guest.parameters.push("crashkernel=320M".into());
    guest.limit = 300;
    guest.typical = 60;
    guest
}

/// A guest like that of [`kexec`] whose second kernel has bochs instead of Barium.
fn kexec_to_bochs(fb: &str, device: &str) -> Guest {
    let mut guest = kexec(fb, device);
    guest.name = format!("stock/kexec-to-bochs-{device}");
    guest.parameters = vec![
        format!("guest_firmware_fb={fb}"),
        "guest_next_driver=bochs".into(),
    ];
    guest.typical = 40;
    guest
}

/// When the fuzzer ends.
pub enum FuzzLength {
    /// After this number of seconds.
    Seconds(u32),
    /// After this number of programs.
    Programs(u32),
}

/// Number of the fuzzer's programs and its seed in `make test`.
const FUZZ_PROGRAMS: u32 = 150;
const FUZZ_SEED: u64 = 1;

/// The guest with the fuzzer: short in `make test`, long in `make fuzz`.
pub fn fuzz(settings: &Settings, length: FuzzLength, seed: u64) -> Guest {
    // A program takes a second, two on a busy machine.
    let (parameter, seconds) = match length {
        FuzzLength::Seconds(seconds) => (format!("{seconds}s"), seconds),
        FuzzLength::Programs(programs) => (programs.to_string(), 2 * programs),
    };
    let mut displays = run::ports(settings.arch, "bochs-display");
    // The second display has no EDID.
    let second = "secondary-vga,id=vga,romfile=,edid=off,bus=port1";
    displays.extend(devices(&[second]));
    displays.extend(strangers(settings));
    Guest {
        devices: displays,
        name: "debug/fuzz".into(),
        scenario: "fuzz",
        parameters: vec![
            format!("guest_fuzz_length={parameter}"),
            format!("guest_fuzz_seed={seed}"),
        ],
        // Shortening a failing program takes extra time.
        limit: 600 + seconds,
        typical: 60 + seconds,
        ..display(Flavour::Debug, "bochs-display")
    }
}

/// The guest of `make soak`.
pub fn soak(settings: &Settings, seconds: u32, seed: u64) -> Guest {
    Guest {
        name: "debug/soak".into(),
        scenario: "soak",
        parameters: vec![
            format!("guest_soak_seconds={seconds}"),
            format!("guest_fuzz_seed={seed}"),
        ],
        devices: run::display("bochs-display"),
        limit: 1200 + seconds * 2,
        typical: 200 + seconds,
        ..fuzz(settings, FuzzLength::Seconds(seconds), seed)
    }
}

/// The guest of `make unplug`.
pub fn unplug() -> Guest {
    Guest {
        name: "debug/unplug".into(),
        unplug_rounds: UNPLUG_ROUNDS_LONG,
        limit: 2400,
        typical: 300,
        test_limit: 2000,
        ..display(Flavour::Debug, "bochs-display")
    }
}

/// The guest of `make test` in which allocations fail.
fn faults() -> Guest {
    Guest {
        name: "debug/faults".into(),
        tests: FAULT_TESTS,
        modes: Mode::ALL.into(),
        mode_tests: "@barium_faultinject_map@(touch|map-ahead)",
        limit: 2000,
        typical: 600,
        ..display(Flavour::Debug, "bochs-display")
    }
}

/// The guest of `make faultinject`.
pub fn faultinject() -> Guest {
    Guest {
        name: "debug/faultinject".into(),
        boot: &["guest_fault_full=1"],
        limit: 4000,
        typical: 900,
        test_limit: 2000,
        ..faults()
    }
}

/// The guest of `make kcsan`. The harness checks its whole log for races, since some are the
/// kernel's own.
pub fn kcsan() -> Guest {
    Guest {
        name: "kcsan/race".into(),
        modes: Mode::ALL.into(),
        mode_tests: "@barium_race(_unplug)?@",
        boot: &["guest_race_seconds=3", "guest_warn_level=2"],
        limit: 2400,
        typical: 900,
        test_limit: 600,
        ..display(Flavour::Kcsan, "bochs-display")
    }
}

/// The guest of `make cfi`.
pub fn cfi() -> Guest {
    Guest {
        name: "cfi/bochs-display".into(),
        typical: 90,
        ..display(Flavour::Cfi, "bochs-display")
    }
}

/// The tests of the guest with the module of `make in-tree-test`.
pub const IN_TREE_TESTS: &str = "^load$|^oracle@|^rebind@|^vram@|\
     ^igt@barium_(access|create|dumb|fault|huge|kms|mmap|params|prime)@";

/// The guests of `make in-tree-test` whose kernel has Barium built in.
pub fn in_tree_built_in() -> Vec<Guest> {
    let guest = |name: &str, parameters: &[&str]| Guest {
        name: format!("in-tree/y/{name}"),
        scenario: "in-tree",
        // Not behind a bridge: the VGA BIOS would not find the framebuffer.
        devices: devices(&["VGA,id=display0"]),
        boot: FIRMWARE_FB,
        parameters: parameters
            .iter()
            .chain(&["drm_client_lib.active=fbdev", "barium.render_node=1"])
            .map(|&parameter| parameter.into())
            .collect(),
        limit: 150,
        typical: 20,
        ..display(Flavour::Opt, "")
    };
    vec![
        guest(
            "first",
            &[
                "guest_in_tree=first",
                "barium.fault_around=0",
                "barium.huge=0",
            ],
        ),
        guest("stub", &["guest_in_tree=stub", "pci-stub.ids=1234:1111"]),
        // The kernel that loads the image has bound the display already.
        Guest {
            name: "in-tree/y/hibernate".into(),
            parameters: ["guest_hibernate=shutdown", "barium.render_node=1"]
                .map(String::from)
                .into(),
            ..hibernate("bochs-display", "shutdown")
        },
    ]
}

/// The guest of `make in-tree-test` with Barium as a module of its kernel.
pub fn in_tree_module() -> Vec<Guest> {
    vec![Guest {
        name: "in-tree/m/bochs-display".into(),
        ..display(Flavour::Opt, "bochs-display")
    }]
}

/// A guest with one display that runs all tests in the default mode.
fn display(flavour: Flavour, device: &str) -> Guest {
    Guest {
        name: format!("{}/{device}", flavour.name()),
        flavour,
        scenario: "test",
        devices: run::display(device),
        boot: &[],
        tests: "",
        modes: vec![Mode::Default],
        mode_tests: MODE_TESTS,
        parameters: Vec::new(),
        swap: false,
        kexec: false,
        unplug_rounds: 0,
        limit: 600,
        typical: 60,
        test_limit: 180,
        failing_allocations: true,
        self_check: false,
    }
}

/// Memory devices that imitate a display: name in tools/guest/devices.sh, and the contents of the
/// ID register and of the VRAM size register (units of 64 KiB).
const LOOKALIKES: &[(&str, u16, u16)] = &[
    ("wrong_id", 0xffff, 256),
    ("no_vram", 0xb0c5, 0),
    ("no_bar", 0xb0c5, 256),
];

/// Offset of the ID register in BAR 2, in bytes.
const ID_REGISTER: usize = 0x500;
/// Offset of the VRAM size register.
const VRAM_REGISTER: usize = 0x514;

/// Displays with different VRAM sizes, and devices to refuse, at the addresses that
/// tools/guest/devices.sh expects.
fn odd_devices(settings: &Settings) -> Vec<String> {
    let mut arguments = devices(&[
        "bochs-display,id=small,vgamem=4M,romfile=,addr=0x10",
        "secondary-vga,id=large,vgamem_mb=256,romfile=,addr=0x11",
        "bochs-display,id=usual,romfile=,edid=off,addr=0x12",
    ]);
    arguments.extend(strangers(settings));
    arguments
}

fn devices(devices: &[&str]) -> Vec<String> {
    devices
        .iter()
        .flat_map(|device| ["-device".into(), String::from(*device)])
        .collect()
}

/// Devices that the driver must refuse: a display without registers, which firmware uses (the other
/// displays have no ROM), a device of another kind, and the memory devices of [`LOOKALIKES`], whose
/// BAR 0 has 256 bytes. tools/guest/lib.sh has their addresses.
fn strangers(settings: &Settings) -> Vec<String> {
    let mut arguments = devices(&["edu,id=edu,addr=0x14"]);
    // Elsewhere, bochs fails on it: it uses odd I/O ports, to which the CPU makes unaligned accesses.
    if settings.arch.is_native() {
        arguments.extend(devices(&["VGA,id=blind,mmio=off,addr=0x13"]));
    }
    for (slot, (name, ..)) in (0x15..).zip(LOOKALIKES) {
        let path = memory_path(settings, name);
        arguments.extend([
            "-object".into(),
            format!(
                "memory-backend-file,id=memory_{name},size=4M,share=off,mem-path={}",
                path.display()
            ),
            "-device".into(),
            format!("ivshmem-plain,id={name},memdev=memory_{name},addr={slot:#x}"),
        ]);
    }
    arguments
}

/// Returns the path of the file behind a memory device.
fn memory_path(settings: &Settings, name: &str) -> PathBuf {
    settings.out.join("vm").join(format!("{name}.mem"))
}

/// Writes the files behind the memory devices.
pub fn write_memories(settings: &Settings) -> Result<()> {
    let dir: &Path = &settings.out.join("vm");
    command::dir(dir)?;
    for (name, id, vram) in LOOKALIKES {
        let mut content = vec![0; 4 << 20];
        content[ID_REGISTER..ID_REGISTER + 2].copy_from_slice(&id.to_le_bytes());
        content[VRAM_REGISTER..VRAM_REGISTER + 2].copy_from_slice(&vram.to_le_bytes());
        command::write(&memory_path(settings, name), &content)?;
    }
    Ok(())
}
