// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The device: finds its nodes, and unbinds, removes and rebinds it through sysfs.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::abi;
use crate::call::Device;
use crate::sys;

/// Time limit for binding.
const BIND_LIMIT: Duration = Duration::from_secs(30);

/// Time limit for the device nodes to appear.
const NODE_LIMIT: Duration = Duration::from_secs(3);

/// A PCI device.
#[derive(Clone)]
pub struct PciDevice {
    /// Its PCI address.
    slot: String,
}

/// Switches all PCIe slots on: a slot whose device was removed before a suspend is off after the
/// resume.
fn power_slots() {
    let slots = fs::read_dir("/sys/bus/pci/slots").into_iter().flatten();
    for slot in slots.flatten() {
        let _ = sys::write_file(&slot.path().join("power").to_string_lossy(), "1");
    }
}

impl PciDevice {
    /// Returns the devices bound to the driver, in the order of their addresses.
    pub fn find() -> Result<Vec<Self>, String> {
        let dir = "/sys/bus/pci/drivers/barium";
        let entries = fs::read_dir(dir).map_err(|e| format!("{dir}: {e}"))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut places: Vec<Self> = names
            .filter(|name| name.contains(':'))
            .map(|slot| Self { slot })
            .collect();
        places.sort_by(|one, other| one.slot.cmp(&other.slot));
        match places.is_empty() {
            true => Err("no device is bound".into()),
            false => Ok(places),
        }
    }

    /// Returns the current path of the node of this kind (`card` or `renderD`).
    pub fn node(&self, kind: &str) -> Option<String> {
        let dir = format!("/sys/bus/pci/devices/{}/drm", self.slot);
        let names = fs::read_dir(dir).ok()?;
        names
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find(|name| name.starts_with(kind))
            .map(|name| format!("/dev/dri/{name}"))
    }

    /// Returns the current path of the card's debugfs file `name`.
    pub fn debugfs(&self, name: &str) -> String {
        let card = self.node("card").unwrap_or_default();
        let minor = card.trim_start_matches("/dev/dri/card");
        format!("/sys/kernel/debug/dri/{minor}/{name}")
    }

    /// Returns the sysfs file and the text to write for an action.
    pub fn action(&self, number: u8) -> (String, &str) {
        let slot = &self.slot;
        match number % 8 {
            _ if number == Device::SLEEP => ("/sys/power/state".into(), "mem"),
            0 | 1 => ("/sys/bus/pci/drivers/barium/unbind".into(), slot),
            2..=4 => ("/sys/bus/pci/drivers/barium/bind".into(), slot),
            5 => (format!("/sys/bus/pci/devices/{slot}/remove"), "1"),
            _ => ("/sys/bus/pci/rescan".into(), "1"),
        }
    }

    /// Returns true if the driver has bound it.
    pub fn is_bound(&self) -> bool {
        Path::new(&format!("/sys/bus/pci/drivers/barium/{}", self.slot)).exists()
    }

    /// Binds it if necessary and waits for its nodes.
    pub fn bind(&self) -> Result<(), String> {
        let start = Instant::now();
        let mut bound = None;
        while start.elapsed() < BIND_LIMIT {
            if self.is_bound() {
                if self
                    .node("renderD")
                    .is_some_and(|node| Path::new(&node).exists())
                {
                    return Ok(());
                }
                if bound.get_or_insert_with(Instant::now).elapsed() > NODE_LIMIT {
                    // Without memory, the kernel binds the device and silently lacks its node.
                    let _ = sys::write_file("/sys/bus/pci/drivers/barium/unbind", &self.slot);
                    bound = None;
                }
            } else {
                if !Path::new(&format!("/sys/bus/pci/devices/{}", self.slot)).exists() {
                    power_slots();
                    let _ = sys::write_file("/sys/bus/pci/rescan", "1");
                }
                let _ = sys::write_file("/sys/bus/pci/drivers/barium/bind", &self.slot);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err("the device cannot be bound again".into())
    }

    /// Returns the bytes of VRAM in total and available.
    pub fn vram(&self) -> Result<(u64, u64), String> {
        let node = self.node("renderD").ok_or("there is no render node")?;
        let fd = sys::open(&node, libc::O_RDWR | libc::O_CLOEXEC)
            .map_err(|error| format!("{node}: {}", sys::error_name(error)))?;
        let ask = |param: u32| {
            let mut argument = abi::drm_barium_get_param {
                param,
                pad: 0,
                value: 0,
            };
            let pointer = std::ptr::from_mut(&mut argument) as usize;
            let request = abi::FUZZ_GET_PARAM as usize;
            sys::call(libc::SYS_ioctl, &[sys::fd(fd), request, pointer])
                .map(|_| argument.value)
                .map_err(|error| format!("GET_PARAM: {}", sys::error_name(error)))
        };
        let size = ask(abi::BARIUM_PARAM_VRAM_SIZE);
        let available = ask(abi::BARIUM_PARAM_VRAM_AVAILABLE);
        let _ = sys::call(libc::SYS_close, &[sys::fd(fd)]);
        Ok((size?, available?))
    }
}
