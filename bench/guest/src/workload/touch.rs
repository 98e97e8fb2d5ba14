// SPDX-License-Identifier: GPL-2.0 OR MIT

//! First touch: what it costs to map an object, write to some of its pages, and unmap it; and what
//! writing costs once all pages are there.

use std::collections::BTreeSet;
use std::io;

use super::cost::Workload;
use super::{repeat, size_name};
use crate::clock;
use crate::pattern::Pattern;
use crate::row::{Outcome, Rounds};
use crate::sys::{self, Touches, PAGE};
use crate::way::{Device, Object};

/// Sizes at which all patterns are measured.
const PATTERN_SIZES: [usize; 2] = [8 << 20, 1 << 20];
/// Sizes at which forward access is measured, to show how cost grows.
const SIZES: [usize; 9] = [
    4 << 10,
    16 << 10,
    64 << 10,
    256 << 10,
    1 << 20,
    4 << 20,
    16 << 20,
    64 << 20,
    256 << 20,
];

/// Rounds, however long they are.
const LEAST_ROUNDS: usize = 4;

/// Touching pages for the first time.
pub struct FirstTouch {
    /// Bytes of the object.
    pub size: usize,
    /// Which pages, in which order.
    pub pattern: Pattern,
}

impl FirstTouch {
    /// All that are measured, each once.
    pub fn all() -> Vec<Self> {
        let patterns = PATTERN_SIZES
            .iter()
            .flat_map(|&size| Pattern::ALL.map(|pattern| Self { size, pattern }));
        let small = [Pattern::Forward, Pattern::Backward].map(|pattern| Self {
            size: 64 << 10,
            pattern,
        });
        let sizes = SIZES.iter().map(|&size| Self {
            size,
            pattern: Pattern::Forward,
        });
        let mut seen = BTreeSet::new();
        patterns
            .chain(small)
            .chain(sizes)
            .filter(|workload| seen.insert(workload.name()))
            .collect()
    }

    /// Its name in the results.
    pub fn name(&self) -> String {
        format!("{}-{}", self.pattern.name(), size_name(self.size))
    }

    /// The pages that it touches, in order.
    pub fn pages(&self) -> Vec<usize> {
        self.pattern.pages(self.size / PAGE)
    }

    fn measure(&self, device: &Device) -> io::Result<Outcome> {
        let pages = self.pages();
        let object = device.create(self.size)?;
        verify(device, object, &pages)?;
        let mut faults = 0;
        let costs = repeat(LEAST_ROUNDS, || {
            let before = sys::faults();
            let cost = round(device, object, &pages)?;
            faults = sys::faults() - before;
            Ok(cost)
        })?;
        Ok(Outcome::Measured(Rounds {
            costs,
            pages: pages.len(),
            faults: Some(faults),
        }))
    }
}

/// The workloads of this file.
pub fn workloads() -> Vec<Workload> {
    let mut all: Vec<Workload> = FirstTouch::all()
        .into_iter()
        .map(|workload| Workload::new(workload.name(), move |device| workload.measure(device)))
        .collect();
    all.push(Workload::new("write-8M".into(), |device| {
        write(device, 8 << 20)
    }));
    all
}

/// One round: its cost in guest instructions.
pub fn round(device: &Device, object: Object, pages: &[usize]) -> io::Result<u64> {
    let touches = Touches::new(pages);
    let start = clock::instructions();
    map_and_touch(device, object, &touches)?;
    Ok(clock::instructions() - start)
}

/// What is measured: maps, touches the pages, unmaps.
pub fn map_and_touch(device: &Device, object: Object, touches: &Touches) -> io::Result<()> {
    device.map(object)?.touch_all(touches);
    Ok(())
}

/// Makes sure that what is measured is true: a second mapping, touched in another order, shows what
/// the first one wrote.
pub fn verify(device: &Device, object: Object, pages: &[usize]) -> io::Result<()> {
    let mapping = device.map(object)?;
    let value = |index: usize| 0x1000 + u32::try_from(index).expect("fewer pages");
    for (index, &page) in pages.iter().enumerate() {
        mapping.touch(page, value(index));
    }
    drop(mapping);
    let mapping = device.map(object)?;
    for (index, &page) in pages.iter().enumerate().rev() {
        if mapping.look(page) != value(index) {
            return Err(io::Error::other(format!(
                "page {page} shows another page's content"
            )));
        }
    }
    Ok(())
}

/// Writing all of an object whose pages have all been touched, per page.
fn write(device: &Device, size: usize) -> io::Result<Outcome> {
    let object = device.create(size)?;
    let mapping = device.map(object)?;
    mapping.fill(1);
    let before = sys::faults();
    let costs = repeat(LEAST_ROUNDS, || Ok(clock::cost(|| mapping.fill(2))))?;
    Ok(Outcome::Measured(Rounds {
        costs,
        pages: size / PAGE,
        faults: Some(sys::faults() - before),
    }))
}
