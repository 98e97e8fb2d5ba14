// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The guests that tests run in: kernel, devices, scenario, and what is particular to each.

use std::path::{Path, PathBuf};

use crate::settings::{Flavour, Settings};
use crate::{command, run, Result};

/// A way to load the driver, by its parameters; tools/guest/lib.sh knows which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything that makes faults fast.
    Default,
    /// A fault maps one page.
    Strict,
    /// No huge entries.
    Around,
    /// Huge entries, and single pages where those are not possible.
    Huge,
}

impl Mode {
    /// All of them, the default first.
    pub const ALL: [Mode; 4] = [Mode::Default, Mode::Strict, Mode::Around, Mode::Huge];

    /// The name in the guest's scripts and in the names of tests.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Default => "default",
            Mode::Strict => "strict",
            Mode::Around => "around",
            Mode::Huge => "huge",
        }
    }
}

/// A guest of `make test`.
#[derive(Clone)]
pub struct Guest {
    /// Kernel and display, the first part of the names of its tests.
    pub name: String,
    /// Kernel.
    pub flavour: Flavour,
    /// Script in tools/guest.
    pub scenario: &'static str,
    /// Arguments of QEMU.
    pub devices: Vec<String>,
    /// Further words for the kernel's command line.
    pub boot: &'static [&'static str],
    /// Modes of the driver. All tests run in the first, those that depend on it in the others.
    pub modes: Vec<Mode>,
    /// Regular expression for the tests that depend on the mode.
    pub mode_tests: &'static str,
    /// Further `name=value` pairs for its scripts.
    pub parameters: Vec<String>,
    /// Whether it has an empty disk, /dev/vde, to swap to and to hibernate on.
    pub swap: bool,
    /// How often the device goes in each test of that; if 0, as often as the test itself finds right.
    pub unplug_rounds: u32,
    /// Seconds it may take.
    pub limit: u32,
    /// Seconds it takes on two cores.
    pub typical: u32,
    /// Seconds that one IGT test may take.
    pub test_limit: u32,
    /// Whether IGT's own ways to report are checked there.
    pub self_check: bool,
}

/// Tests that depend on the mode. On the debug kernel they are those that meet most of the code.
const MODE_TESTS: &str =
    "@barium_(mmap|fault|fault_count|cache_mode|fork|huge|ahead|access|prime(_share)?|lifetime|\
     hotunplug|hotunplug_race|rebind|race|race_unplug)@";
const MODE_TESTS_DEBUG: &str =
    "@barium_(mmap|fault|fault_count|cache_mode|fork|huge|ahead|access)@|\
     @barium_faultinject_map@(touch|map-ahead)";

/// Rounds of unplugging on the debug kernel, in `make test` and in `make unplug`.
const UNPLUG_ROUNDS: u32 = 3;
const UNPLUG_ROUNDS_LONG: u32 = 200;

/// The test of `make unplug`.
pub const UNPLUG_TEST: &str = "^igt@barium_hotunplug_race@writers$";

/// Has the firmware set up a framebuffer, of 800x600 pixels of 32 bits, for a driver to take over.
const FIRMWARE_FB: &[&str] = &["vga=0x343"];

/// The kernel writes on the screen, and stays there when it panics.
const CONSOLE_THEN_PANIC: &[&str] = &["drm_client_lib.active=fbdev", "panic=0"];

/// The kernel looks for a hibernation image before it starts the first process. Compressing an image takes
/// longer than writing it.
const RESUME: &[&str] = &["resume=/dev/vde", "hibernate=nocompress"];

/// The tests of `make kcsan`.
pub const RACE_TESTS: &str = "^igt@barium_(race|race_unplug|hotunplug_race|ahead|lifetime)@";

/// The tests of `make faultinject`.
pub const FAULT_TESTS: &str = "^igt@barium_(faultinject|bind_fails)|^kmemleak$|^vram@";

/// All guests of `make test`, in the order in which they are started. The debug kernel's takes as
/// long as all the others together, so it is among the first; the plain one beside it shows
/// failures early.
pub fn all(settings: &Settings) -> Vec<Guest> {
    let mut guests = vec![
        Guest {
            modes: Mode::ALL.into(),
            self_check: true,
            ..display(Flavour::Opt, "bochs-display")
        },
        Guest {
            modes: Mode::ALL.into(),
            mode_tests: MODE_TESTS_DEBUG,
            unplug_rounds: UNPLUG_ROUNDS,
            limit: 2000,
            typical: 500,
            ..display(Flavour::Debug, "bochs-display")
        },
        fuzz(settings, FUZZ_SECONDS, FUZZ_SEED),
        display(Flavour::Opt, "VGA"),
        display(Flavour::Opt, "secondary-vga"),
        Guest {
            name: "opt/handover".into(),
            scenario: "handover",
            // Not behind a bridge: its BIOS would not find the framebuffer.
            devices: ["-device", "VGA,id=display0"].map(String::from).into(),
            boot: FIRMWARE_FB,
            limit: 100,
            typical: 15,
            ..display(Flavour::Opt, "")
        },
        Guest {
            name: "opt/display".into(),
            scenario: "display",
            devices: run::display("bochs-display,vgamem=32M"),
            limit: 300,
            typical: 70,
            ..display(Flavour::Opt, "")
        },
        Guest {
            name: "opt/console".into(),
            scenario: "console",
            devices: run::display("VGA"),
            boot: CONSOLE_THEN_PANIC,
            limit: 100,
            typical: 15,
            ..display(Flavour::Opt, "")
        },
        hibernate("bochs-display", "shutdown"),
        hibernate("VGA", "platform"),
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

/// Kinds of displays, each with sizes of VRAM in MiB.
type Displays = &'static [(&'static str, &'static [u32])];

/// Displays of all kinds with VRAM of all sizes, as many in a guest as there are addresses for below
/// 4 GiB.
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
        limit: 200,
        typical: 20,
        ..display(Flavour::Opt, "")
    }
}

/// The first address on the PCI bus that QEMU uses for nothing else.
const FIRST_FREE_SLOT: u32 = 0x10;

/// A guest with one display that hibernates. It is switched off by way of `how`, a word for
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

/// How long `make test` fuzzes, and from which seed.
const FUZZ_SECONDS: u32 = 120;
const FUZZ_SEED: u64 = 1;

/// The guest that fuzzes: short in `make test`, long in `make fuzz`.
pub fn fuzz(settings: &Settings, seconds: u32, seed: u64) -> Guest {
    let mut displays = run::display("bochs-display");
    // The second one does not say what it can show.
    let second = "secondary-vga,id=vga,romfile=,edid=off,bus=port1";
    displays.extend(devices(&[second]));
    displays.extend(strangers(settings));
    Guest {
        devices: displays,
        name: "debug/fuzz".into(),
        scenario: "fuzz",
        parameters: vec![
            format!("guest_fuzz_seconds={seconds}"),
            format!("guest_fuzz_seed={seed}"),
        ],
        // What is found is made shorter, which takes a while.
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
        devices: run::display("bochs-display"),
        limit: 1200 + seconds * 2,
        typical: 200 + seconds,
        ..fuzz(settings, seconds, seed)
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

/// The guest of `make faultinject`.
pub fn faultinject() -> Guest {
    Guest {
        name: "debug/faultinject".into(),
        modes: Mode::ALL.into(),
        mode_tests: "@barium_faultinject_map@(touch|map-ahead)",
        boot: &["guest_fault_full=1"],
        limit: 4000,
        typical: 900,
        test_limit: 2000,
        ..display(Flavour::Debug, "bochs-display")
    }
}

/// The guest of `make kcsan`. Races are looked for in its log as a whole: some are the kernel's own.
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

/// A guest with one display that runs everything in the default mode.
fn display(flavour: Flavour, device: &str) -> Guest {
    Guest {
        name: format!("{}/{device}", flavour.name()),
        flavour,
        scenario: "test",
        devices: run::display(device),
        boot: &[],
        modes: vec![Mode::Default],
        mode_tests: MODE_TESTS,
        parameters: Vec::new(),
        swap: false,
        unplug_rounds: 0,
        limit: 400,
        typical: 60,
        test_limit: 180,
        self_check: false,
    }
}

/// What memories that only look like a display hold at the offsets of its registers: the name that
/// tools/guest/devices.sh has for it, the ID, and the VRAM size in units of 64 KiB.
const LOOKALIKES: &[(&str, u16, u16)] = &[
    ("wrong_id", 0xffff, 256),
    ("no_vram", 0xb0c5, 0),
    ("no_bar", 0xb0c5, 256),
];

/// Where a display has its ID register, in bytes from the start of BAR 2.
const ID_REGISTER: usize = 0x500;
/// Where it has its VRAM size.
const VRAM_REGISTER: usize = 0x514;

/// Displays of several sizes at once, and strangers. The addresses are those that
/// tools/guest/devices.sh expects.
fn odd_devices(settings: &Settings) -> Vec<String> {
    let mut arguments = devices(&[
        "bochs-display,id=small,vgamem=4M,romfile=,addr=0x10",
        "secondary-vga,id=large,vgamem_mb=256,romfile=,addr=0x11",
        "bochs-display,id=usual,romfile=,addr=0x12",
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

/// Devices that the driver has to refuse: a display without registers, which is the one that the
/// firmware knows (the others have no ROM), a device that is something else, and the lookalikes, whose
/// BAR 0 has 256 bytes. The addresses are those that tools/guest/lib.sh has for them.
fn strangers(settings: &Settings) -> Vec<String> {
    let mut arguments = devices(&["VGA,id=blind,mmio=off,addr=0x13", "edu,id=edu,addr=0x14"]);
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

/// The file behind a lookalike.
fn memory_path(settings: &Settings, name: &str) -> PathBuf {
    settings.out.join("vm").join(format!("{name}.mem"))
}

/// Writes the files behind the lookalikes.
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
