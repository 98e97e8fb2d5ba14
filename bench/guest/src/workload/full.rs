// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A device whose VRAM is full: creating objects, moving objects out of VRAM, and showing pictures
//! that are not in VRAM.

use std::io;

use super::cost::Workload;
use super::{display, lifecycle, repeat};
use crate::clock;
use crate::method::{Device, Method, Object};
use crate::row::{Outcome, Rounds};
use crate::screen::Screen;
use crate::sys::page_size;

/// Size of the objects that leave VRAM, in bytes.
const EVICTED: usize = 8 << 20;
/// Size of the objects that are created while VRAM is full, in bytes.
const CREATED: usize = 1 << 20;
/// Number of pictures that are moved into VRAM, which has room for all of them.
const RETURNING: usize = 28;
/// Minimum number of rounds.
const MIN_ROUNDS: usize = 4;

/// The workloads of this module.
pub fn workloads() -> Vec<Workload> {
    let in_vram = |name: &str, measure: fn(&Device) -> io::Result<Outcome>| {
        Workload::new(name.into(), move |device| match device.method {
            Method::Barium | Method::Ttm => measure(device),
            Method::Shmem | Method::Eager => Ok(Outcome::Missing("has no objects in VRAM".into())),
        })
    };
    vec![
        in_vram("full-life-1M", life),
        in_vram("evict-8M", |device| evict(device, Content::Written)),
        in_vram("evict-untouched-8M", |device| evict(device, Content::None)),
        Workload::new("flip-evicted-1080p".into(), |device| {
            let (first, last) = device.vram()?;
            display::on_screen(device, |screen| {
                display::flip_beyond(screen, last - first + 1)
            })
        }),
        Workload::new("flip-return-1080p".into(), |device| {
            display::on_screen(device, |screen| flip_return(device, screen))
        }),
    ]
}

/// What the objects contain that fill VRAM.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// No program has accessed them.
    None,
    /// A program has written to each page.
    Written,
}

/// Measures objects that are created, mapped, touched and closed while VRAM is full.
fn life(device: &Device) -> io::Result<Outcome> {
    let _objects = fill(device, Content::Written)?;
    lifecycle::one_after_another(device, CREATED)
}

/// Measures creating an object that the display could show while VRAM is full of others, one of which
/// has to leave VRAM. Subtracts the cost of creating and closing it while there is room. The cost is
/// per page.
fn evict(device: &Device, content: Content) -> io::Result<Outcome> {
    let create_and_close = || -> io::Result<u64> {
        let start = clock::instructions();
        let object = device.create_showable(EVICTED)?;
        device.close(object)?;
        Ok(clock::instructions() - start)
    };
    let with_room = repeat(MIN_ROUNDS, create_and_close)?;
    let with_room = with_room.iter().sum::<u64>() / with_room.len().max(1) as u64;
    let mut objects = fill(device, content)?;
    let costs = repeat(MIN_ROUNDS, || {
        let cost = create_and_close()?;
        // The first object has left VRAM, and a new one takes its room. It comes last of its size.
        device.close(objects.remove(0))?;
        let last = objects.iter().filter(|o| o.len() == EVICTED).count();
        objects.insert(last, filler(device, EVICTED, content)?);
        Ok(cost)
    })?;
    Ok(Outcome::Measured(Rounds {
        costs: costs
            .iter()
            .map(|cost| cost.saturating_sub(with_room))
            .collect(),
        pages: EVICTED / page_size(),
        faults: None,
    }))
}

/// Measures flips to drawn pictures for which VRAM had no room when they were created. It has room when
/// they are shown.
fn flip_return(device: &Device, screen: &Screen) -> io::Result<Outcome> {
    let mut others = Vec::new();
    while let Some(available) = device.vram_available()? {
        let other = screen.picture()?;
        let size = screen.map(&other)?.bytes();
        others.push(other);
        if available < 2 * size {
            break;
        }
    }
    let mut pictures = Vec::new();
    for _ in 0..RETURNING {
        let picture = screen.picture()?;
        screen.map(&picture)?.fill(1);
        pictures.push(picture);
    }
    for other in others {
        screen.discard(other)?;
    }
    display::first_flips(screen, &pictures)
}

/// Creates an object that takes up room in VRAM.
fn filler(device: &Device, len: usize, content: Content) -> io::Result<Object> {
    let object = device.create(len)?;
    if content == Content::Written {
        let mapping = device.map(object)?;
        (0..len / page_size()).for_each(|page| mapping.touch(page, 1));
    }
    Ok(object)
}

/// Fills VRAM with objects, the largest ones first.
fn fill(device: &Device, content: Content) -> io::Result<Vec<Object>> {
    let mut objects = Vec::new();
    if let Some(mut available) = device.vram_available()? {
        // As many of the first size as there is room for, then of the next one.
        for len in [EVICTED, 1 << 20, 64 << 10, page_size()] {
            let size = u64::try_from(len).expect("no machine has more");
            while available >= size {
                objects.push(filler(device, len, content)?);
                available = match device.vram_available()? {
                    Some(less) if less < available => less,
                    // It is not in one piece.
                    _ => break,
                };
            }
        }
        return Ok(objects);
    }
    // The driver does not say when VRAM is full, and moves objects out of it then.
    let (first, last) = device.vram()?;
    let room = usize::try_from(last - first + 1).expect("no machine has more");
    for _ in 0..room / EVICTED {
        objects.push(filler(device, EVICTED, content)?);
    }
    Ok(objects)
}
