// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Pictures in system memory, which both drivers copy to VRAM to show them.

use std::io;

use super::cost::Workload;
use super::display::{self, ROUNDS};
use crate::meter::Meter;
use crate::method::Method;
use crate::row::Outcome;
use crate::screen::Screen;

/// Width and height of the damage, in pixels.
const DAMAGE: u16 = 64;

/// The workloads of this module.
pub fn workloads() -> Vec<Workload> {
    let measure = |name: &str, measure: fn(&Screen, Method) -> io::Result<Vec<u64>>| {
        Workload::new(name.into(), move |device| {
            display::on_screen(device, |screen| {
                measure(screen, device.method).map(Outcome::Median)
            })
        })
    };
    vec![
        measure("shadow-full-1080p", full),
        measure("shadow-damage-64", damage),
    ]
}

/// Measures flips between two drawn pictures.
fn full(screen: &Screen, method: Method) -> io::Result<Vec<u64>> {
    let mut pictures = Vec::new();
    for _ in 0..2 {
        let picture = screen.picture_in_system_memory(method)?;
        screen.map(&picture)?.fill(1);
        pictures.push(picture);
    }
    display::flips_between(screen, &pictures, |picture| screen.flip(picture))
}

/// Measures showing the changed part of the picture that is shown.
fn damage(screen: &Screen, method: Method) -> io::Result<Vec<u64>> {
    let picture = screen.picture_in_system_memory(method)?;
    screen.map(&picture)?.fill(1);
    screen.switch_on(&picture)?;
    screen.dirty(&picture, DAMAGE)?;
    let meter = Meter::start()?;
    let costs: io::Result<Vec<u64>> = (0..ROUNDS)
        .map(|_| meter.cost(|| screen.dirty(&picture, DAMAGE)))
        .collect();
    drop(meter);
    screen.switch_off()?;
    costs
}
