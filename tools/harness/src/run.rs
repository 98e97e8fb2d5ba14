// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make run`, which saves a picture that a program drew into VRAM and one that another program
//! showed on the screen; and `make shell`.

use std::time::Instant;

use crate::arch::{self, Arch};
use crate::payload;
use crate::picture;
use crate::qemu::{Console, Machine, Processor};
use crate::settings::{Flavour, Settings};
use crate::{command, kernel_log, vm, Result};

/// Width of the picture in pixels.
const WIDTH: u32 = 640;
/// Height of the picture in pixels.
const HEIGHT: u32 = 480;

/// Time limit of `make run` from boot to power-off, in seconds.
const LIMIT: u32 = 180;

/// Lines of the program's output that the summary shows, each with its title.
const SHOWN: &[(&str, &str)] = &[
    ("device", "device"),
    ("driver", "driver"),
    ("vram_size", "VRAM, bytes"),
    ("size", "object, bytes"),
    ("minor_faults", "faults taken"),
    ("vmflags", "VmFlags"),
    ("bar", "BAR of VRAM"),
    ("cache_mode", "page table"),
    ("mode", "screen"),
];

/// Boots a guest, runs the examples there, writes the content of the object in VRAM to `vram.png`
/// and the screen to `screen.png`.
pub fn run(settings: &Settings) -> Result<bool> {
    let start = Instant::now();
    println!("[build] driver and examples");
    let flavour = settings.kernel.unwrap_or(Flavour::Opt);
    let payload = payload::build(settings, flavour, &payload::examples(settings)?)?;
    println!("[build] done in {} s", start.elapsed().as_secs());

    let machine = Machine {
        flavour,
        processor: Processor::Two,
        payload: &payload,
        scenario: "run",
        parameters: vec![
            format!("guest_width={WIDTH}"),
            format!("guest_height={HEIGHT}"),
            "guest_render_node=0".into(),
        ],
        tests: "",
        programs: &[],
        swap: false,
        kexec: false,
        devices: ports(settings.arch, &settings.display),
        dir: settings.out.join("vm/run"),
        console: Console::Logged,
    };
    println!(
        "[run] booting a guest with {}, typically 15 s",
        settings.display
    );
    let start = Instant::now();
    let left = vm::run(settings, &machine, Some("run"), settings.limit(LIMIT))?;
    println!("[run] done in {} s", start.elapsed().as_secs());

    let failed: Vec<_> = left
        .entries
        .iter()
        .filter(|e| !e.reason.is_empty())
        .collect();
    for entry in &failed {
        println!("{}: {}", entry.name, entry.reason);
    }
    if let Some(why) = left.lost {
        return Err(format!("the guest: {why}"));
    }
    if let Some(alarm) = kernel_log::alarm(&left.console) {
        return Err(format!("the kernel log has a report:\n{alarm}"));
    }
    let ([found], [shot], true) = (&left.found[..], &left.shots[..], failed.is_empty()) else {
        return Err(format!(
            "a picture is missing; the guest's console is in {}",
            settings.shown(&machine.console_log())
        ));
    };
    let path = settings.out.join("vram.png");
    picture::write(&path, WIDTH, HEIGHT, &found.bytes)?;
    let screen_path = settings.out.join("screen.png");
    shot.write(&screen_path)?;

    println!();
    for (key, title) in SHOWN {
        let value = left
            .said
            .iter()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        // Only a kernel with CONFIG_PTDUMP_DEBUGFS shows page table entries: Debian's does not.
        if value != Some("unknown") {
            println!("{title:>14}  {}", value.unwrap_or("?"));
        }
    }
    println!("{:>14}  {}", "VRAM holds", found.summary());
    println!(
        "{:>14}  {} (read from the device by the host)",
        "picture",
        settings.shown(&path)
    );
    println!(
        "{:>14}  all {} x {} pixels are those of the program's picture",
        "screen shows", shot.width, shot.height
    );
    println!(
        "{:>14}  {} (taken from QEMU's screen by the host)",
        "picture",
        settings.shown(&screen_path)
    );
    Ok(true)
}

/// Boots a guest with the driver loaded and connects its console to the terminal.
pub fn shell(settings: &Settings) -> Result<bool> {
    let kernel = settings.kernel.unwrap_or(Flavour::Opt);
    let payload = payload::build(settings, kernel, &payload::programs(settings)?)?;
    let mut devices = ports(settings.arch, &settings.display);
    devices.extend(settings.qemu_args.iter().cloned());
    if settings.gdb {
        devices.extend(["-S", "-gdb"].map(String::from));
        let socket = settings.out.join("vm/shell/gdb");
        devices.push(format!("unix:{},server=on,wait=off", socket.display()));
        println!(
            "[shell] waits for: gdb -ex 'target remote {}'",
            settings.shown(&socket)
        );
    }
    let machine = Machine {
        flavour: kernel,
        processor: Processor::Two,
        payload: &payload,
        scenario: "shell",
        parameters: Vec::new(),
        tests: "",
        programs: &[],
        swap: false,
        kexec: false,
        devices,
        dir: settings.out.join("vm/shell"),
        console: Console::Interactive,
    };
    command::fresh_dir(&machine.dir)?;
    println!(
        "[shell] `poweroff -f`, or control-a x, ends it; tests are in /barium, $PATH has them"
    );
    let mut child = machine.start(settings)?;
    let status = child.wait().map_err(|e| format!("QEMU: {e}"))?;
    Ok(status.success())
}

/// Like [`ports`], for the architecture of the toolbox.
pub fn display(device: &str) -> Vec<String> {
    ports(&arch::X86_64, device)
}

/// Returns QEMU's arguments for a display behind a hot-pluggable PCIe port, and for an empty port
/// for another display.
pub fn ports(arch: &Arch, device: &str) -> Vec<String> {
    let mut arguments = arch.hot_plug.to_vec();
    let display = format!("{device},id=display0,bus=port0");
    arguments.extend([
        "-device",
        "pcie-root-port,id=port0,chassis=1,slot=1",
        "-device",
        "pcie-root-port,id=port1,chassis=2,slot=2,pref32-reserve=64M,mem-reserve=4M",
        "-device",
        &display,
    ]);
    arguments.into_iter().map(String::from).collect()
}
