// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Workloads whose bytes the profiler in QEMU counts: the reads and writes of flips, and the VRAM
//! that a client uses. Their rows say how the record is divided; `bench/report` adds the figures
//! from the record. No driver influences the count.

use std::io;

use serde_json::{json, Value};

use super::client::Client;
use super::display::{self, TURNS};
use crate::clock;
use crate::method::Device;
use crate::screen::Screen;
use crate::Result;

/// A workload.
pub struct Workload {
    /// Its name in the results.
    pub name: String,
    measure: fn(&Device, &Screen) -> io::Result<Value>,
}

/// Returns all workloads.
pub fn all() -> Vec<Workload> {
    let workload = |name: &str, measure| Workload {
        name: name.into(),
        measure,
    };
    vec![
        workload("flip-1080p-bytes", flip),
        workload("redraw-flip-1080p-bytes", redraw_and_flip),
        workload("client-1080p-vram", client),
    ]
}

impl Workload {
    /// Runs the workload. The row has no figure yet: `stretches` is the number of its intervals in
    /// the record, `vram` the physical addresses of the first and the last byte of VRAM.
    pub fn run(&self, device: &Device) -> Result<Value> {
        let screen = device.screen()?.ok_or("shows nothing")?;
        let mut row = (self.measure)(device, &screen)?;
        row["workload"] = json!(self.name);
        row["vram"] = json!(device.vram()?);
        Ok(row)
    }
}

fn flip(_: &Device, screen: &Screen) -> io::Result<Value> {
    display::flips(screen, |picture| {
        clock::record();
        screen.flip(picture)
    })?;
    Ok(json!({ "figure": "moved", "stretches": TURNS }))
}

fn redraw_and_flip(_: &Device, screen: &Screen) -> io::Result<Value> {
    display::flips(screen, |picture| {
        clock::record();
        display::redraw(screen, picture)
    })?;
    Ok(json!({ "figure": "moved", "stretches": TURNS }))
}

/// Runs a client from start to end. The driver may report more VRAM as used than the client has
/// written to, as an object may be larger than the picture.
fn client(device: &Device, screen: &Screen) -> io::Result<Value> {
    let before = device.vram_available()?;
    clock::record();
    let client = Client::start(screen);
    clock::record_end();
    let client = client?;
    let after = device.vram_available()?;
    screen.switch_off()?;
    client.end()?;
    let missing = before.zip(after).map(|(before, after)| before - after);
    Ok(json!({ "figure": "vram", "stretches": 1, "missing_from_vram": missing }))
}
