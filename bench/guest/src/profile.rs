// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Makes the profiler in QEMU record the guest's execution of one fault, one round of a first-touch
//! workload, one lifecycle of an object, or one flip.

use std::cell::Cell;
use std::io;

use crate::clock;
use crate::method::Device;
use crate::sys::{self, Mapping, TouchOffsets};
use crate::workload::display::{self, TURNS};
use crate::workload::lifecycle;
use crate::workload::touch::{self, FirstTouch};
use crate::Result;

/// Number of lifecycles before the recorded one, which fill the allocators' caches.
const WARM_UP_LIVES: usize = 32;

/// Records a `fault`, a `round`, a `life` or a `flip` of the workload `name`.
pub fn run(device: &Device, what: &str, name: &str) -> Result<()> {
    match what {
        "fault" => fault(device, &first_touch(name)?)?,
        "round" => round(device, &first_touch(name)?)?,
        "life" => one_life(device, name)?,
        "flip" if name == display::FLIP => flip(device)?,
        _ => return Err("the part to record must be fault, round, life or flip".into()),
    }
    eprintln!("recorded: {what} of {name}");
    Ok(())
}

fn first_touch(name: &str) -> Result<FirstTouch> {
    FirstTouch::all()
        .into_iter()
        .find(|workload| workload.name() == name)
        .ok_or_else(|| "no such workload".into())
}

/// Records the second fault of a round: the first one allocates the page table, and all later ones
/// are like the second. Which page it hits depends on how much the first fault maps.
fn fault(device: &Device, workload: &FirstTouch) -> Result<()> {
    let pages = workload.pages();
    let object = device.create(workload.size)?;
    touch::verify(device, object, &pages)?;
    let second = second_fault(&device.map(object)?, &pages).ok_or("it faults only once")?;
    let mapping = device.map(object)?;
    for &page in &pages[..second] {
        mapping.touch(page, 0);
    }
    clock::record();
    mapping.touch(pages[second], 0);
    clock::record_end();
    Ok(())
}

/// Returns the index of the page whose touch causes the second fault.
fn second_fault(mapping: &Mapping, pages: &[usize]) -> Option<usize> {
    let faults = |&page: &usize| {
        let before = sys::faults();
        mapping.touch(page, 0);
        sys::faults() > before
    };
    let faulting = pages.iter().enumerate().filter(|(_, page)| faults(page));
    faulting.map(|(index, _)| index).nth(1)
}

fn round(device: &Device, workload: &FirstTouch) -> Result<()> {
    let pages = workload.pages();
    let object = device.create(workload.size)?;
    touch::verify(device, object, &pages)?;
    touch::round(device, object, &pages)?;
    let touches = TouchOffsets::new(&pages);
    clock::record();
    let done = touch::map_and_touch(device, object, &touches);
    clock::record_end();
    Ok(done?)
}

fn one_life(device: &Device, name: &str) -> Result<()> {
    let size = lifecycle::SIZES
        .into_iter()
        .find(|&size| lifecycle::name(size) == name)
        .ok_or("no such workload")?;
    (0..WARM_UP_LIVES).try_for_each(|_| lifecycle::one(device, size))?;
    clock::record();
    let done: io::Result<()> = lifecycle::one(device, size);
    clock::record_end();
    Ok(done?)
}

/// Records the last of several flips and all work that follows from it: the meter stops the record.
fn flip(device: &Device) -> Result<()> {
    let screen = device.screen()?.ok_or("shows nothing")?;
    let turns = Cell::new(0);
    display::flips(&screen, |picture| {
        turns.set(turns.get() + 1);
        if turns.get() == TURNS {
            clock::record();
        }
        screen.flip(picture)
    })?;
    Ok(())
}
