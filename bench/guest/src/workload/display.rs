// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The display: the cost of showing another picture, of drawing and showing one, and of enabling
//! the CRTC; and the whole lifecycle of dumb buffers.

use std::io;

use super::cost::Workload;
use super::{client, repeat};
use crate::clock;
use crate::meter::Meter;
use crate::method::Device;
use crate::row::{Outcome, Rounds};
use crate::screen::{Picture, Screen};
use crate::sys::{page_size, TouchOffsets};

/// Name of the flip in the results.
pub const FLIP: &str = "flip-1080p";
/// Number of rounds of workloads that wait for the display, each of which takes at least a frame.
pub const ROUNDS: usize = 32;
/// Number of unmeasured flips at the start, which warm up caches.
const WARM_UP_FLIPS: usize = 4;
/// How often [`flips`] shows a picture.
pub const TURNS: usize = WARM_UP_FLIPS + ROUNDS;
/// Size of the dumb buffers in bytes.
const DUMB_SIZE: usize = 8 << 20;
/// Minimum number of measured lifecycles.
const MIN_LIVES: usize = 4;

/// The workloads of this module.
pub fn workloads() -> Vec<Workload> {
    let measure = |name: &str, measure: fn(&Screen) -> io::Result<Outcome>| {
        Workload::new(name.into(), move |device| on_screen(device, measure))
    };
    vec![
        measure(FLIP, flip),
        measure("redraw-flip-1080p", redraw_and_flip),
        measure("first-frame-1080p", first_frame),
        measure("dumb-8M", dumb_lives),
        measure("client-1080p-ram", client::system_memory),
    ]
}

/// Measures a workload on the screen of the device, if it has one.
pub fn on_screen(
    device: &Device,
    measure: impl FnOnce(&Screen) -> io::Result<Outcome>,
) -> io::Result<Outcome> {
    match device.screen()? {
        Some(screen) => measure(&screen),
        None => Ok(Outcome::Missing("shows nothing".into())),
    }
}

/// Measures a flip, from the ioctl until the device is programmed.
fn flip(screen: &Screen) -> io::Result<Outcome> {
    flips(screen, |picture| screen.flip(picture)).map(Outcome::Median)
}

/// Measures drawing a whole picture and flipping to it.
fn redraw_and_flip(screen: &Screen) -> io::Result<Outcome> {
    flips(screen, |picture| redraw(screen, picture)).map(Outcome::Median)
}

/// Maps a picture, draws it, unmaps it, and requests the flip.
pub fn redraw(screen: &Screen, picture: &Picture) -> io::Result<()> {
    screen.map(picture)?.fill(0x0042_6172_0069_756d);
    screen.flip(picture)
}

/// Shows two pictures in turn and returns the costs.
pub fn flips(screen: &Screen, show: impl Fn(&Picture) -> io::Result<()>) -> io::Result<Vec<u64>> {
    flips_between(screen, &[screen.picture()?, screen.picture()?], show)
}

/// Shows `pictures` in turn and returns the costs.
pub fn flips_between(
    screen: &Screen,
    pictures: &[Picture],
    show: impl Fn(&Picture) -> io::Result<()>,
) -> io::Result<Vec<u64>> {
    flips_of(screen, pictures, WARM_UP_FLIPS, ROUNDS, show)
}

/// Measures flips between drawn pictures that together have more than `vram` bytes.
pub fn flip_beyond(screen: &Screen, vram: u64) -> io::Result<Outcome> {
    let mut pictures = Vec::new();
    let mut bytes = 0;
    while bytes <= vram {
        let picture = screen.picture()?;
        let mapping = screen.map(&picture)?;
        mapping.fill(1);
        bytes += mapping.bytes();
        pictures.push(picture);
    }
    flips_of(screen, &pictures, pictures.len(), ROUNDS, |picture| {
        screen.flip(picture)
    })
    .map(Outcome::Median)
}

/// Measures flips to drawn pictures, each of which is shown for the first time.
pub fn first_flips(screen: &Screen, pictures: &[Picture]) -> io::Result<Outcome> {
    // The last one is shown before.
    let flips = pictures.len().saturating_sub(1);
    let warm_up = WARM_UP_FLIPS.min(flips);
    flips_of(screen, pictures, warm_up, flips - warm_up, |picture| {
        screen.flip(picture)
    })
    .map(Outcome::Median)
}

/// Shows `pictures` in turn and returns the costs of `rounds` flips, after `warm_up` other ones.
fn flips_of(
    screen: &Screen,
    pictures: &[Picture],
    warm_up: usize,
    rounds: usize,
    show: impl Fn(&Picture) -> io::Result<()>,
) -> io::Result<Vec<u64>> {
    if let Some(last) = pictures.last() {
        screen.switch_on(last)?;
    }
    let meter = Meter::start()?;
    let mut costs = Vec::new();
    for picture in pictures.iter().cycle().take(warm_up + rounds) {
        costs.push(meter.cost(|| show(picture))?);
        screen.wait()?;
    }
    drop(meter);
    screen.switch_off()?;
    Ok(costs.split_off(warm_up))
}

/// Measures enabling a disabled CRTC with a picture.
fn first_frame(screen: &Screen) -> io::Result<Outcome> {
    let picture = screen.picture()?;
    let meter = Meter::start()?;
    let round = || {
        let cost = meter.cost(|| screen.switch_on(&picture));
        screen.switch_off()?;
        cost
    };
    round()?;
    let costs: io::Result<Vec<u64>> = (0..ROUNDS).map(|_| round()).collect();
    Ok(Outcome::Median(costs?))
}

/// Measures creating, mapping, touching, unmapping and destroying a dumb buffer.
fn dumb_lives(screen: &Screen) -> io::Result<Outcome> {
    let pages: Vec<usize> = (0..DUMB_SIZE / page_size()).collect();
    let touches = TouchOffsets::new(&pages);
    let count = u32::try_from(pages.len()).map_err(io::Error::other)?;
    let costs = repeat(MIN_LIVES, || {
        let start = clock::instructions();
        screen.life(count, |mapping| mapping.touch_all(&touches))?;
        Ok(clock::instructions() - start)
    })?;
    Ok(Outcome::Measured(Rounds {
        costs,
        pages: 1,
        faults: None,
    }))
}
