// SPDX-License-Identifier: GPL-2.0

//! Fault-around: selects the pages to map together with the page of a fault.
//!
//! The same policy applies to faults that a huge entry serves; the pages are huge pages then. In
//! both cases, a neighbour costs a small part of a fault.
//!
//! This is policy: [`window`] is a function of numbers. The page table records which pages a
//! program has accessed. If consecutive pages right beside the fault are mapped (a *run*), the
//! program is probably accessing pages in the direction from the run to the fault.
//!
//! - Next to a run, the window extends in that direction, and its size is a multiple of the length
//!   of the run. A sequential access fills a page table after a few faults, and the number of
//!   unused entries stays proportional to the used ones.
//! - If neither neighbour is mapped, the page is mapped alone, so that strided and random accesses
//!   map no unused pages. The first and the last page of a mapping are exceptions, because
//!   sequential accesses start there.
//! - The program's advice overrides these rules.
//!
//! Two sequential accesses to different parts of a mapping do not affect each other's window, nor
//! do accesses by different processes, except in small objects.
//!
//! # Small objects
//!
//! The third fault in an object of at most [`SMALL`] pages maps all of its pages if they cost no
//! more than the program has paid for the mapping and its faults so far; otherwise, this fault and
//! each later one spend half of that amount on pages on both sides. Faults that continue a constant
//! stride do not count if it is so long that one fault for each page costs least.
//!
//! So the cost of any access pattern is limited: the first two faults create few unused entries,
//! and the later ones soon leave no page to fault for. docs/performance.md states the limits, in
//! terms of [`FAULT_COSTS`], and proves them.
//!
//! For this rule, an object has a [`FaultHistory`], which `mmap()` clears. All mappings of the
//! object share it, and faults update it without a lock. A lost update delays the third fault, and
//! a fault in another mapping brings it forward; both affect performance only.

use crate::{
    units::{
        Advice,
        PageIndex,
        PageWindow, //
    },
    upstream::fault_costs::FAULT_COSTS, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// The cost of a fault.
const FAULT: usize = FAULT_COSTS.fault + FAULT_COSTS.decision;
/// The cost of a neighbour.
const NEIGHBOUR: usize = FAULT_COSTS.neighbour;
/// The number of pages in the window for each page of the run.
const GROWTH: usize = 4;
/// The number of pages in the window at the first or the last page of a mapping. They cost less
/// than a fault. With the page of the fault, they make a power of two, as the runs do.
const FIRST: usize = (1 << (FAULT / NEIGHBOUR).ilog2()) - 1;
/// The largest object, in pages, that has a [`FaultHistory`].
const SMALL: usize = 512;
/// The fault, counted from 1, from which on faults in a small object map more than a run suggests.
const EVIDENCE: usize = 3;
/// The stride, in pages, from which on one fault for each page costs no more than one fault that
/// also maps the pages between.
const STRIDE: usize = FAULT.div_ceil(NEIGHBOUR);

/// The properties of a fault that the policy considers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultContext {
    /// The program's `madvise()` advice for the VMA.
    pub(crate) advice: Advice,
    /// True if the fault is for the first page of the mapping.
    pub(crate) is_first: bool,
    /// True if the fault is for the last page of the mapping.
    pub(crate) is_last: bool,
    /// True if the program has said that it will need the page soon.
    pub(crate) will_need: bool,
    /// The place of the fault in the object's history.
    pub(crate) ordinal: Ordinal,
    /// The size of the object in pages.
    pub(crate) pages: usize,
}

/// The place of a fault in the history of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ordinal {
    /// The object has no history.
    Unknown,
    /// The fault continues the stride of all faults before it.
    Stride,
    /// The number of faults so far, including this one but no fault that continued a stride.
    Nth(usize),
}

/// The faults in a small object since it was last mapped.
pub(crate) struct FaultHistory(Atomic<u64>);

impl FaultHistory {
    /// Creates a history without faults.
    pub(crate) fn new() -> Self {
        Self(Atomic::new(Faults::NONE.pack()))
    }

    /// Forgets all faults.
    #[inline]
    pub(crate) fn clear(&self) {
        self.0.store(Faults::NONE.pack(), Relaxed);
    }

    /// Adds a fault for page `page` of the object, which has `pages` pages.
    #[inline(always)]
    pub(crate) fn record(&self, page: PageIndex, pages: usize) -> Ordinal {
        match u16::try_from(page.0) {
            Ok(page) if pages <= SMALL => {
                let (faults, ordinal) = Faults::unpack(self.0.load(Relaxed)).then(page);
                self.0.store(faults.pack(), Relaxed);
                ordinal
            }
            _ => Ordinal::Unknown,
        }
    }
}

/// The content of a [`FaultHistory`].
#[derive(Clone, Copy)]
struct Faults {
    /// The page of the last fault.
    last: u16,
    /// The page of the last fault but one.
    previous: u16,
    /// The number of faults that did not continue a stride.
    count: u16,
}

impl Faults {
    const NONE: Self = Self {
        last: 0,
        previous: 0,
        count: 0,
    };

    #[inline(always)]
    fn pack(self) -> u64 {
        u64::from(self.last) | u64::from(self.previous) << 16 | u64::from(self.count) << 32
    }

    #[inline(always)]
    fn unpack(packed: u64) -> Self {
        let [l0, l1, p0, p1, c0, c1, _, _] = packed.to_le_bytes();
        Self {
            last: u16::from_le_bytes([l0, l1]),
            previous: u16::from_le_bytes([p0, p1]),
            count: u16::from_le_bytes([c0, c1]),
        }
    }

    /// Adds a fault for page `page`.
    ///
    /// The first two faults start a stride if they are far enough apart. The first fault that does
    /// not continue the stride ends it, and no other stride starts.
    #[inline(always)]
    fn then(self, page: u16) -> (Self, Ordinal) {
        let continues = self.count == 2
            && page.wrapping_sub(self.last) == self.last.wrapping_sub(self.previous)
            && usize::from(page.abs_diff(self.last)) >= STRIDE;
        let count = self.count.saturating_add(u16::from(!continues));
        let faults = Self {
            last: page,
            previous: self.last,
            count,
        };
        let ordinal = if continues {
            Ordinal::Stride
        } else {
            Ordinal::Nth(usize::from(count))
        };
        (faults, ordinal)
    }
}

/// Returns the neighbours to map with the page of the fault. The caller limits the window to the
/// mapping, the extent and the page table.
///
/// `runs` returns the lengths of the runs of mapped pages right beside the fault. It is called only
/// if the result depends on them.
#[inline(always)]
pub(crate) fn window(context: &FaultContext, runs: impl FnOnce() -> PageWindow) -> PageWindow {
    if context.will_need {
        return PageWindow::ALL;
    }
    match (context.advice, context.ordinal) {
        (Advice::Random, _) => PageWindow::NONE,
        (Advice::Sequential, _) => PageWindow {
            before: 0,
            after: usize::MAX,
        },
        (Advice::Normal, Ordinal::Stride) => PageWindow::NONE,
        (Advice::Normal, Ordinal::Nth(nth)) if nth >= EVIDENCE => {
            window_of_small(context, nth, runs)
        }
        (Advice::Normal, _) => window_of_runs(context, runs()),
    }
}

/// Returns the neighbours that the runs beside the fault suggest to map.
#[inline(always)]
fn window_of_runs(context: &FaultContext, runs: PageWindow) -> PageWindow {
    match (runs.before, runs.after) {
        (0, 0) if context.is_first => PageWindow {
            before: 0,
            after: FIRST,
        },
        (0, 0) if context.is_last => PageWindow {
            before: FIRST,
            after: 0,
        },
        (run, 0) => PageWindow {
            before: 0,
            after: run.saturating_mul(GROWTH),
        },
        (0, run) => PageWindow {
            before: run.saturating_mul(GROWTH),
            after: 0,
        },
        // The fault is in a hole between mapped pages.
        _ => PageWindow::NONE,
    }
}

/// Returns the neighbours to map with the page of fault number `nth` in a small object.
#[inline]
fn window_of_small(
    context: &FaultContext,
    nth: usize,
    runs: impl FnOnce() -> PageWindow,
) -> PageWindow {
    let affordable = affordable(nth);
    if context.pages <= affordable {
        return PageWindow::ALL;
    }
    let both_sides = |pages| PageWindow {
        before: pages,
        after: pages,
    };
    window_of_runs(context, runs())
        .min(both_sides(affordable))
        .max(both_sides(affordable / 4))
}

/// Returns the number of neighbours that cost as much as a mapping with one page table and `faults`
/// faults has cost.
#[inline]
fn affordable(faults: usize) -> usize {
    (FAULT_COSTS.mapping + FAULT_COSTS.table + faults.saturating_mul(FAULT)) / NEIGHBOUR
}

#[kunit_tests(barium_fault_around)]
mod tests {
    use super::*;

    /// The number of pages that one page table maps.
    const TABLE: usize = 512;
    /// The numbers of pages of the objects whose costs have a limit.
    const LIMITED: [usize; 6] = [16, 64, 128, 176, 256, 512];

    /// Returns the limits that docs/performance.md proves for the cost of a mapping of `pages` pages:
    /// in percent of that of the offline optimum, and in percent of that of the better one of strict
    /// and eager mapping.
    fn limits(pages: usize) -> (usize, usize) {
        let base = FAULT_COSTS.mapping + FAULT_COSTS.table;
        let last = EVIDENCE + usize::from(pages > affordable(EVIDENCE));
        let mut limits = (0, 0);
        // Numbers of faults, and of the neighbours that they map at most.
        let two = FIRST + (FIRST + 1) * GROWTH;
        let three = two + affordable(EVIDENCE) + affordable(EVIDENCE) / 4;
        for (faults, most) in [(1, FIRST), (2, two), (EVIDENCE, three), (last, pages)] {
            let cost = base + faults * FAULT + most.min(pages - faults) * NEIGHBOUR;
            let optimum = match faults {
                ..=EVIDENCE => base + FAULT + (faults - 1) * NEIGHBOUR,
                _ => base + (faults - 2) * FAULT + 2 * NEIGHBOUR,
            };
            let strict = base + faults * FAULT_COSTS.fault;
            let better = strict.min(base + pages * FAULT_COSTS.eager_page);
            limits.0 = limits.0.max((cost * 100).div_ceil(optimum));
            limits.1 = limits.1.max((cost * 100).div_ceil(better));
        }
        limits
    }

    /// Returns the number of the fault that maps all of a small object of `pages` pages.
    fn last_fault(pages: usize) -> usize {
        (EVIDENCE..)
            .find(|nth| affordable(*nth) >= pages)
            .unwrap_or(EVIDENCE)
    }

    /// The pages of a picture of 640x409 pixels (1 MiB) that libcairo 1.16 writes for the first
    /// time when it draws, in this order: the first one and the number of consecutive pages. A
    /// signal handler that made the pages accessible one by one has recorded them.
    const RECORDED: [&[(usize, usize)]; 4] = [
        // Six lines of text in a terminal, and the cursor.
        &[
            (20, 5),
            (19, 1),
            (25, 1),
            (18, 1),
            (30, 4),
            (28, 2),
            (34, 2),
            (39, 5),
            (38, 1),
            (44, 1),
            (37, 1),
            (48, 5),
            (47, 1),
            (53, 1),
            (46, 1),
            (58, 4),
            (56, 2),
            (62, 2),
            (67, 5),
            (66, 1),
            (72, 1),
            (65, 1),
            (250, 5),
        ],
        // A line chart.
        &[(96, 92)],
        // Three rows of round icons.
        &[(28, 31), (110, 30), (191, 31)],
        // Twelve squares in random places.
        &[
            (8, 10),
            (185, 11),
            (33, 10),
            (235, 10),
            (212, 10),
            (1, 7),
            (162, 10),
            (145, 11),
            (225, 10),
            (201, 11),
            (156, 2),
        ],
    ];

    /// A model of a mapping and of the faults in it.
    struct Model {
        mapped: KVec<bool>,
        touched: KVec<bool>,
        advice: Advice,
        history: FaultHistory,
        faults: usize,
        neighbours: usize,
    }

    impl Model {
        fn new(pages: usize, advice: Advice) -> Result<Self> {
            Ok(Self {
                mapped: KVec::from_elem(false, pages, GFP_KERNEL)?,
                touched: KVec::from_elem(false, pages, GFP_KERNEL)?,
                advice,
                history: FaultHistory::new(),
                faults: 0,
                neighbours: 0,
            })
        }

        /// Unmaps the object and maps it again.
        fn restart(&mut self) {
            self.mapped.fill(false);
            self.touched.fill(false);
            self.history.clear();
            self.faults = 0;
            self.neighbours = 0;
        }

        /// Returns the length of the run that starts beside `page`, as `scan_neighbours()` does.
        fn run(&self, page: usize, step: impl Fn(usize, usize) -> Option<usize>) -> usize {
            let mut run = 0;
            let mut distance = 1;
            while distance <= TABLE {
                match step(page, distance).and_then(|page| self.mapped.get(page)) {
                    Some(true) => run = distance,
                    _ => break,
                }
                distance *= 2;
            }
            run
        }

        fn touch(&mut self, page: usize) {
            self.touched[page] = true;
            if self.mapped[page] {
                return;
            }
            let pages = self.mapped.len();
            let in_table = page % TABLE;
            let max_window = PageWindow {
                before: in_table,
                after: (TABLE - 1 - in_table).min(pages - 1 - page),
            };
            let ordinal = match self.advice {
                Advice::Normal => self.history.record(PageIndex(page), pages),
                _ => Ordinal::Unknown,
            };
            let context = FaultContext {
                advice: self.advice,
                is_first: page == 0,
                is_last: page == pages - 1,
                will_need: false,
                ordinal,
                pages,
            };
            let runs = || PageWindow {
                before: self.run(page, usize::checked_sub),
                after: self.run(page, usize::checked_add),
            };
            let window = window(&context, runs).min(max_window);
            self.faults += 1;
            self.mapped[page] = true;
            for beside in &mut self.mapped[page - window.before..=page + window.after] {
                if !*beside {
                    *beside = true;
                    self.neighbours += 1;
                }
            }
        }

        /// Returns the cost of the faults.
        fn cost(&self) -> usize {
            self.faults * FAULT + self.neighbours * NEIGHBOUR
        }

        /// Returns the cost of any mapping of the object.
        fn base(&self) -> usize {
            FAULT_COSTS.mapping + self.mapped.len().div_ceil(TABLE) * FAULT_COSTS.table
        }

        /// Returns the cost of the mapping.
        fn total(&self) -> usize {
            self.base() + self.cost()
        }

        /// Returns the cost of the mapping if each fault maps one page.
        fn strict(&self) -> usize {
            let touched = self.touched.iter().filter(|touched| **touched).count();
            self.base() + touched * FAULT_COSTS.fault
        }

        /// Returns the cost of the mapping if `mmap()` maps all pages.
        fn eager(&self) -> usize {
            self.base() + self.mapped.len() * FAULT_COSTS.eager_page
        }

        /// Returns the least cost of the mapping for windows that are chosen with knowledge of all
        /// accesses to come. The object must have one page table.
        ///
        /// The touched pages are divided into groups, and the first fault in a group maps all pages
        /// from the first to the last of the group. Between two touched pages, either a group ends
        /// or the pages are mapped, whatever the order of the accesses.
        fn optimum(&self) -> usize {
            let mut cost = self.base();
            let mut last = None;
            for (page, _) in self
                .touched
                .iter()
                .enumerate()
                .filter(|(_, touched)| **touched)
            {
                cost += last.map_or(FAULT, |last| FAULT.min((page - last) * NEIGHBOUR));
                last = Some(page);
            }
            cost
        }
    }

    fn after(pages: impl IntoIterator<Item = usize>, of: usize, advice: Advice) -> Result<Model> {
        let mut model = Model::new(of, advice)?;
        for page in pages {
            model.touch(page);
        }
        Ok(model)
    }

    /// A linear congruential generator, which makes the test repeatable.
    fn random(seed: &mut u32) -> usize {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(*seed >> 8).unwrap_or(0)
    }

    /// Returns the pages that the benchmark `random10` (bench/guest/src/pattern.rs) touches in an
    /// object of `pages` pages: one in `part`.
    fn at_random(pages: usize, part: usize) -> Result<KVec<usize>> {
        let mut state = 0x0042_6172_6975_6d00_u64;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let mut all = KVec::new();
        for page in 0..pages {
            all.push(page, GFP_KERNEL)?;
        }
        for position in 0..pages / part {
            let skip = next() % u64::try_from(pages - position)?;
            all.swap(position, position + usize::try_from(skip)?);
        }
        all.truncate(pages / part);
        Ok(all)
    }

    /// Returns the first unmapped page in the direction `step` of `page`, or `page`.
    fn frontier(model: &Model, page: usize, step: impl Fn(usize, usize) -> Option<usize>) -> usize {
        (1..model.mapped.len())
            .map_while(|distance| step(page, distance))
            .find(|page| model.mapped.get(*page) == Some(&false))
            .unwrap_or(page)
    }

    /// Searches the access pattern of an object of `pages` pages for which `ratio` is the largest,
    /// and returns that ratio: changes a page of the worst pattern so far, and keeps the change
    /// unless it makes the ratio smaller.
    fn worst(pages: usize, ratio: impl Fn(&Model) -> usize) -> Result<usize> {
        const TOUCHES: usize = 9;
        let mut model = Model::new(pages, Advice::Normal)?;
        let mut worst = 0;
        let mut seed = 1;
        for _ in 0..8 {
            let mut pattern = [0; TOUCHES].map(|_: usize| random(&mut seed) % pages);
            let mut best = 0;
            for _ in 0..600 {
                let mut changed = pattern;
                let place = random(&mut seed) % TOUCHES;
                let other = pattern[random(&mut seed) % (place + 1)];
                model.restart();
                for page in &pattern[..place] {
                    model.touch(*page);
                }
                changed[place] = match random(&mut seed) % 6 {
                    0 => random(&mut seed) % pages,
                    1 => [0, pages - 1][random(&mut seed) % 2],
                    2 => (other + 1 + random(&mut seed) % 4) % pages,
                    3 => (other + pages - 1) % pages,
                    4 => frontier(&model, other, usize::checked_add),
                    _ => frontier(&model, other, usize::checked_sub),
                };
                let mut reached = 0;
                for page in &changed[place..] {
                    model.touch(*page);
                    // The program may stop after any access.
                    reached = reached.max(ratio(&model));
                }
                if reached >= best {
                    best = reached;
                    pattern = changed;
                }
            }
            worst = worst.max(best);
        }
        Ok(worst)
    }

    #[test]
    fn a_forward_stream_takes_few_faults() -> Result {
        assert_eq!(after(0..16, 16, Advice::Normal)?.faults, 1);
        assert!(after(0..256, 256, Advice::Normal)?.faults <= 3);
        assert!(after(0..2048, 2048, Advice::Normal)?.faults <= 7);
        assert!(after(700..2048, 2048, Advice::Normal)?.faults <= 9);
        Ok(())
    }

    #[test]
    fn a_backward_stream_takes_as_few() -> Result {
        for pages in [16, 256, 2048] {
            let forward = after(0..pages, pages, Advice::Normal)?.faults;
            let backward = after((0..pages).rev(), pages, Advice::Normal)?.faults;
            assert_eq!(forward, backward);
        }
        Ok(())
    }

    #[test]
    fn streams_do_not_disturb_each_other() -> Result {
        let (low, high) = (0..1024, (1024..2048).rev());
        let model = after(
            low.zip(high).flat_map(|(a, b)| [a, b]),
            2048,
            Advice::Normal,
        )?;
        assert!(model.faults <= 14);
        Ok(())
    }

    #[test]
    fn strides_map_no_unused_page() -> Result {
        for stride in [17, 32, 33, 64, 100, 512, 513] {
            let touched = (0..2048).step_by(stride);
            let model = after(touched.clone(), 2048, Advice::Normal)?;
            assert_eq!(model.faults, touched.count());
            assert!(model.neighbours <= 2 * FIRST);
        }
        Ok(())
    }

    #[test]
    fn hostile_patterns_cost_at_most_15_percent_more() -> Result {
        let mut seed = 1;
        for percent in [1, 5, 10, 25, 50] {
            let touched = 2048 * percent / 100;
            let mut strict = Model::new(2048, Advice::Random)?;
            let mut normal = Model::new(2048, Advice::Normal)?;
            for _ in 0..touched {
                let page = random(&mut seed) % 2048;
                strict.touch(page);
                normal.touch(page);
            }
            assert!(normal.cost() * 100 <= strict.cost() * 115);
        }
        for (burst, gap) in [(1, 3), (2, 30), (2, 64), (1, 20), (2, 100), (1, 512)] {
            let mut strict = Model::new(2048, Advice::Random)?;
            let mut normal = Model::new(2048, Advice::Normal)?;
            let mut start = 64;
            while start < 1984 {
                for page in start..start + burst {
                    strict.touch(page);
                    normal.touch(page);
                }
                start += burst + gap;
            }
            assert!(normal.cost() * 100 <= strict.cost() * 115);
        }
        Ok(())
    }

    #[test]
    fn random_advice_maps_the_page_alone() -> Result {
        let model = after(0..512, 512, Advice::Random)?;
        assert_eq!((model.faults, model.neighbours), (512, 0));
        Ok(())
    }

    #[test]
    fn sequential_advice_maps_the_rest_of_the_table() -> Result {
        let model = after(300..2048, 2048, Advice::Sequential)?;
        assert_eq!(model.faults, 4);
        assert!(!model.mapped[299]);
        Ok(())
    }

    #[test]
    fn pages_needed_soon_are_mapped_with_the_first_fault() {
        for advice in [Advice::Normal, Advice::Random, Advice::Sequential] {
            let context = FaultContext {
                advice,
                is_first: false,
                is_last: false,
                will_need: true,
                ordinal: Ordinal::Unknown,
                pages: 2048,
            };
            assert_eq!(window(&context, || PageWindow::NONE), PageWindow::ALL);
        }
    }

    #[test]
    fn a_hole_is_filled_alone() {
        let context = FaultContext {
            advice: Advice::Normal,
            is_first: false,
            is_last: false,
            will_need: false,
            ordinal: Ordinal::Unknown,
            pages: 2048,
        };
        let runs = || PageWindow {
            before: 4,
            after: 1,
        };
        assert_eq!(window(&context, runs), PageWindow::NONE);
    }

    #[test]
    fn two_faults_in_a_small_object_map_no_unused_page() -> Result {
        let mut seed = 7;
        for _ in 0..100 {
            let low = 1 + random(&mut seed) % 100;
            let high = low + 2 + random(&mut seed) % 100;
            for touched in [[low, high], [high, low]] {
                assert_eq!(after(touched, 256, Advice::Normal)?.neighbours, 0);
            }
        }
        Ok(())
    }

    #[test]
    fn the_third_fault_in_a_small_object_maps_all() -> Result {
        for touched in [[40, 200, 90], [200, 40, 41], [100, 101, 30], [7, 5, 3]] {
            for pages in [203, affordable(EVIDENCE)] {
                let model = after(touched, pages, Advice::Normal)?;
                assert_eq!((model.faults, model.neighbours), (3, pages - 3));
            }
        }
        // The pages of an object of 2 MiB cost too much for that.
        let model = after([40, 200, 90], 512, Advice::Normal)?;
        assert_eq!(model.faults, 3);
        assert!(model.mapped[60] && model.mapped[120] && !model.mapped[300]);
        assert!(model.total() <= 2 * model.strict());
        // In a larger object, there is no evidence for the other page tables.
        assert_eq!(after([40, 200, 90], 513, Advice::Normal)?.neighbours, 0);
        Ok(())
    }

    #[test]
    fn a_new_mapping_forgets_the_faults() -> Result {
        let mut model = after([40, 200, 90], 256, Advice::Normal)?;
        model.restart();
        model.touch(90);
        model.touch(40);
        assert_eq!(model.neighbours, 0);
        Ok(())
    }

    #[test]
    fn strides_in_a_small_object_map_no_unused_page() -> Result {
        for stride in [STRIDE, 32, 33, 64, 100] {
            for pages in [256, 512] {
                let forward = after((5..pages).step_by(stride), pages, Advice::Normal)?;
                let backward = after((5..pages).rev().step_by(stride), pages, Advice::Normal)?;
                for model in [forward, backward] {
                    assert!(model.neighbours <= FIRST);
                    assert_eq!(
                        model.total(),
                        model.optimum() + model.neighbours * NEIGHBOUR
                    );
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_second_stride_in_a_small_object_counts() -> Result {
        let pages = affordable(EVIDENCE);
        let stride = |first: usize| (first..pages).step_by(32);
        let model = after([5, 21].into_iter().flat_map(stride), pages, Advice::Normal)?;
        assert_eq!(model.faults, stride(5).count() + 1);
        Ok(())
    }

    #[test]
    fn short_strides_in_a_small_object_take_few_faults() -> Result {
        for stride in 2..STRIDE {
            let pages = affordable(EVIDENCE);
            let model = after((5..pages).step_by(stride), pages, Advice::Normal)?;
            assert!(model.faults <= EVIDENCE);
        }
        Ok(())
    }

    /// Returns true if `model` costs less than eager mapping, or if nothing can that maps all pages,
    /// because a neighbour costs more than a page of an eager mapping.
    fn is_cheaper_than_eager(model: &Model) -> bool {
        model.total() < model.eager() || NEIGHBOUR > FAULT_COSTS.eager_page
    }

    #[test]
    fn random_accesses_to_a_small_object_cost_less_than_eager_mapping() -> Result {
        for part in [10, 5, 2] {
            let model = after(at_random(256, part)?, 256, Advice::Normal)?;
            assert!(is_cheaper_than_eager(&model));
            assert!(model.total() < model.strict());
        }
        // Few accesses to pages far apart cost no more than without neighbours.
        let model = after(at_random(256, 100)?, 256, Advice::Normal)?;
        assert_eq!(model.neighbours, 0);
        Ok(())
    }

    #[test]
    fn recorded_accesses_to_a_small_object_cost_less_than_eager_mapping() -> Result {
        for recorded in RECORDED {
            let pages = recorded
                .iter()
                .flat_map(|(first, count)| *first..*first + *count);
            let model = after(pages, 256, Advice::Normal)?;
            assert!(model.faults <= last_fault(256));
            assert!(is_cheaper_than_eager(&model));
            assert!(model.total() < model.strict());
            assert!(model.total() <= 2 * model.optimum());
        }
        Ok(())
    }

    /// Returns a model of the accesses of a forward stream that fault, without the others.
    fn faults_of_a_stream(pages: usize) -> Result<Model> {
        let mut all = Model::new(pages, Advice::Normal)?;
        let mut faults = Model::new(pages, Advice::Normal)?;
        for page in 0..pages {
            if !all.mapped[page] {
                faults.touch(page);
            }
            all.touch(page);
        }
        Ok(faults)
    }

    #[test]
    fn no_pattern_in_a_small_object_costs_more_than_the_limit() -> Result {
        let to_optimum = |model: &Model| model.total() * 100 / model.optimum();
        let to_better = |model: &Model| model.total() * 100 / model.strict().min(model.eager());
        for pages in LIMITED {
            let (optimum, better) = limits(pages);
            let stream = faults_of_a_stream(pages)?;
            let found = worst(pages, to_optimum)?.max(to_optimum(&stream));
            pr_info!("{pages} pages: up to {found}% of the offline optimum\n");
            assert!(found <= optimum);
            let found = worst(pages, to_better)?.max(to_better(&stream));
            pr_info!("{pages} pages: up to {found}% of strict or eager\n");
            assert!(found <= better);
        }
        Ok(())
    }
}
