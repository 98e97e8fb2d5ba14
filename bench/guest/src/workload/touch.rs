// SPDX-License-Identifier: GPL-2.0 OR MIT

//! First touch: the cost of mapping an object, writing to some of its pages, and unmapping it; and
//! the cost of writing to mapped pages.

use std::collections::BTreeSet;
use std::io;

use super::cost::Workload;
use super::{repeat, size_name};
use crate::clock;
use crate::method::{Device, Object};
use crate::pattern::Pattern;
use crate::row::{Outcome, Rounds};
use crate::sys::{self, page_size, TouchOffsets};

/// Object sizes for all patterns.
const PATTERN_SIZES: [usize; 2] = [8 << 20, 1 << 20];
/// Object sizes for the forward pattern, which show how the cost depends on the size.
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

/// Minimum number of rounds.
const MIN_ROUNDS: usize = 4;

/// A first-touch workload.
pub struct FirstTouch {
    /// Bytes of the object.
    pub size: usize,
    /// The access pattern.
    pub pattern: Pattern,
}

impl FirstTouch {
    /// Returns all first-touch workloads of at least a page, without duplicates.
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
            .filter(|workload| workload.size >= page_size() && seen.insert(workload.name()))
            .collect()
    }

    /// Returns its name in the results.
    pub fn name(&self) -> String {
        format!("{}-{}", self.pattern.name(), size_name(self.size))
    }

    /// Returns the pages to touch, in order.
    pub fn pages(&self) -> Vec<usize> {
        self.pattern.pages(self.size / page_size())
    }

    fn measure(&self, device: &Device) -> io::Result<Outcome> {
        self.measure_object(device, device.create(self.size)?)
    }

    /// Measures an object in system memory, whose pages are allocated.
    fn measure_in_system_memory(&self, device: &Device) -> io::Result<Outcome> {
        match device.create_in_system_memory(self.size)? {
            Some(object) => self.measure_object(device, object),
            None => Ok(Outcome::Missing("has no objects in system memory".into())),
        }
    }

    fn measure_object(&self, device: &Device, object: Object) -> io::Result<Outcome> {
        let pages = self.pages();
        verify(device, object, &pages)?;
        let mut faults = 0;
        let costs = repeat(MIN_ROUNDS, || {
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

/// The workloads of this module.
pub fn workloads() -> Vec<Workload> {
    let mut all: Vec<Workload> = FirstTouch::all()
        .into_iter()
        .map(|workload| Workload::new(workload.name(), move |device| workload.measure(device)))
        .collect();
    for pattern in [Pattern::Forward, Pattern::Backward] {
        let workload = FirstTouch {
            size: 8 << 20,
            pattern,
        };
        all.push(Workload::new(
            format!("system-{}", workload.name()),
            move |device| workload.measure_in_system_memory(device),
        ));
    }
    all.push(Workload::new("write-8M".into(), |device| {
        write(device, 8 << 20)
    }));
    all
}

/// Runs one round and returns its cost in guest instructions.
pub fn round(device: &Device, object: Object, pages: &[usize]) -> io::Result<u64> {
    let touches = TouchOffsets::new(pages);
    let start = clock::instructions();
    map_and_touch(device, object, &touches)?;
    Ok(clock::instructions() - start)
}

/// The measured part: maps the object, touches the pages, unmaps it.
pub fn map_and_touch(device: &Device, object: Object, touches: &TouchOffsets) -> io::Result<()> {
    device.map(object)?.touch_all(touches);
    Ok(())
}

/// Checks the result: a second mapping, touched in another order, must show what was written
/// through the first one.
pub fn verify(device: &Device, object: Object, pages: &[usize]) -> io::Result<()> {
    let mapping = device.map(object)?;
    let value = |index: usize| 0x1000 + u32::try_from(index).expect("fewer pages");
    for (index, &page) in pages.iter().enumerate() {
        mapping.touch(page, value(index));
    }
    drop(mapping);
    let mapping = device.map(object)?;
    for (index, &page) in pages.iter().enumerate().rev() {
        if mapping.read_page(page) != value(index) {
            return Err(io::Error::other(format!(
                "page {page} shows another page's content"
            )));
        }
    }
    Ok(())
}

/// Measures writing a whole object whose pages are all mapped, per page.
fn write(device: &Device, size: usize) -> io::Result<Outcome> {
    let object = device.create(size)?;
    let mapping = device.map(object)?;
    mapping.fill(1);
    let before = sys::faults();
    let costs = repeat(MIN_ROUNDS, || Ok(clock::cost(|| mapping.fill(2))))?;
    Ok(Outcome::Measured(Rounds {
        costs,
        pages: size / page_size(),
        faults: Some(sys::faults() - before),
    }))
}
