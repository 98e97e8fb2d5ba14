// SPDX-License-Identifier: GPL-2.0 OR MIT

//! QEMU's machine protocol (QMP), as far as the oracle and hot-plug need it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{json, Value};

use crate::Result;

/// Time limit for a reply. Dumping VRAM is slow while both CPUs are busy.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to a running QEMU.
pub struct Qmp {
    reader: BufReader<UnixStream>,
}

/// A memory BAR at the address that the guest's firmware or kernel assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Guest physical address.
    pub address: u64,
    /// Size in bytes.
    pub size: u64,
}

impl Qmp {
    /// Connects and completes the negotiation.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).map_err(|e| format!("QMP: {e}"))?;
        stream
            .set_read_timeout(Some(REPLY_TIMEOUT))
            .map_err(|e| format!("QMP: {e}"))?;
        let mut qmp = Qmp {
            reader: BufReader::new(stream),
        };
        qmp.read()?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Executes one command and returns its result.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.reader.get_mut(), "{line}").map_err(|e| format!("QMP {command}: {e}"))?;
        loop {
            let mut answer = self.read()?;
            if let Some(error) = answer.get("error") {
                return Err(format!(
                    "QMP {command}: {}",
                    error["desc"].as_str().unwrap_or("refused")
                ));
            }
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
        }
    }

    /// Returns the memory BAR `index` of the device at the PCI address `slot` (`0000:01:00.0`).
    pub fn bar(&mut self, slot: &str, index: u64) -> Result<Bar> {
        let buses = self.execute("query-pci", json!({}))?;
        find_bar(&buses, slot, index)
            .ok_or_else(|| format!("query-pci lists no BAR {index} of {slot}"))
    }

    /// Returns true if the guest is suspended to RAM.
    pub fn is_asleep(&mut self) -> Result<bool> {
        let status = self.execute("query-status", json!({}))?;
        Ok(status["status"] == "suspended")
    }

    /// Wakes a guest that is suspended, to RAM or to idle.
    pub fn wake(&mut self) -> Result<()> {
        match self.is_asleep()? {
            true => self.execute("system_wakeup", json!({})),
            false => {
                let key = json!({ "type": "qcode", "data": "shift" });
                self.execute("send-key", json!({ "keys": [key] }))
            }
        }
        .map(drop)
    }

    /// Writes the guest memory of `bar` to `file`.
    pub fn save_memory(&mut self, bar: Bar, file: &Path) -> Result<()> {
        let arguments = json!({ "val": bar.address, "size": bar.size, "filename": file });
        self.execute("pmemsave", arguments).map(drop)
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let bytes = self
            .reader
            .read_line(&mut line)
            .map_err(|e| format!("QMP: {e}"))?;
        if bytes == 0 {
            return Err("QMP: QEMU has gone".into());
        }
        serde_json::from_str(&line).map_err(|e| format!("QMP: {e}"))
    }
}

/// Searches the buses in the reply to query-pci, and the buses behind their bridges.
fn find_bar(buses: &Value, slot: &str, index: u64) -> Option<Bar> {
    let (_, address) = slot.split_once(':')?;
    let (bus, rest) = address.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let wanted = [bus, device, function].map(|part| u64::from_str_radix(part, 16).ok());
    let mut devices: Vec<&Value> = buses
        .as_array()?
        .iter()
        .filter_map(|b| b["devices"].as_array())
        .flatten()
        .collect();
    while let Some(candidate) = devices.pop() {
        if let Some(behind) = candidate["pci_bridge"]["devices"].as_array() {
            devices.extend(behind);
        }
        if ["bus", "slot", "function"].map(|key| candidate[key].as_u64()) == wanted {
            let regions = candidate["regions"].as_array()?;
            let bar = regions.iter().find(|r| r["bar"].as_u64() == Some(index))?;
            return Some(Bar {
                address: bar["address"].as_u64()?,
                size: bar["size"].as_u64()?,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_bar_behind_a_bridge() {
        let region = json!([{ "bar": 0, "type": "memory", "address": 4096, "size": 8192 }]);
        let display = json!({ "bus": 1, "slot": 0, "function": 0, "regions": region });
        let bridge = json!({ "bus": 0, "slot": 2, "function": 0, "regions": [],
                             "pci_bridge": { "devices": [display] } });
        let buses = json!([{ "bus": 0, "devices": [bridge] }]);
        let bar = find_bar(&buses, "0000:01:00.0", 0);
        assert_eq!(
            bar,
            Some(Bar {
                address: 4096,
                size: 8192
            })
        );
        assert_eq!(find_bar(&buses, "0000:01:00.0", 2), None);
        assert_eq!(find_bar(&buses, "0000:02:00.0", 0), None);
    }
}
