// SPDX-License-Identifier: GPL-2.0

//! Fault-around: selects the pages to map together with the page of a fault.
//!
//! The same policy applies to faults that are served with a huge entry; the pages are huge pages
//! then. A neighbour costs a small part of a fault in both cases.
//!
//! This is policy: [`window`] is a pure function of [`FaultContext`]. It keeps no state, so that
//! faults share no data: the page table records which pages a program has accessed. If consecutive
//! pages right beside the fault are mapped (a *run*), the program is probably accessing pages in
//! the direction from the run to the fault.
//!
//! - Next to a run, the window extends in that direction, and its size is a multiple of the length
//!   of the run. A sequential access fills a page table after a few faults, and the number of
//!   unused entries stays proportional to the used ones.
//! - If neither neighbour is mapped, the page is mapped alone, so that strided and random accesses
//!   map no unused pages. The first and the last page of a mapping are exceptions, because
//!   sequential accesses start there.
//! - The program's advice overrides these rules.
//!
//! Two sequential accesses to different parts of a mapping do not affect each other's window, and
//! nor do accesses by different processes.

use crate::units::{
    Advice,
    PageWindow, //
};
use kernel::prelude::*;

/// The number of pages in the window for each page of the run.
const GROWTH: usize = 4;
/// The number of pages in the window at the first or the last page of a mapping.
const FIRST: usize = 15;

/// The properties of a fault that the policy considers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultContext {
    /// The lengths of the runs of mapped pages right beside the fault.
    pub(crate) mapped: PageWindow,
    /// The program's `madvise()` advice for the VMA.
    pub(crate) advice: Advice,
    /// True if the fault is for the first page of the mapping.
    pub(crate) is_first: bool,
    /// True if the fault is for the last page of the mapping.
    pub(crate) is_last: bool,
    /// True if the program has said that it will need the page soon.
    pub(crate) will_need: bool,
}

/// Returns the neighbours to map with the page of the fault. The caller limits the window to the
/// mapping, the extent and the page table.
#[inline]
pub(crate) fn window(context: &FaultContext) -> PageWindow {
    if context.will_need {
        return PageWindow::ALL;
    }
    match context.advice {
        Advice::Random => PageWindow::NONE,
        Advice::Sequential => PageWindow {
            before: 0,
            after: usize::MAX,
        },
        Advice::Normal => match (context.mapped.before, context.mapped.after) {
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
        },
    }
}

#[kunit_tests(barium_fault_around)]
mod tests {
    use super::*;

    /// The number of pages that one page table maps.
    const TABLE: usize = 512;
    /// The cost of a fault, including mapping and unmapping its page, in guest instructions.
    const FAULT_COST: usize = 1800;
    /// The cost of mapping and unmapping a neighbour, in guest instructions.
    const NEIGHBOUR_COST: usize = 70;

    /// A model of a mapping and of the faults in it.
    struct Model {
        mapped: KVec<bool>,
        advice: Advice,
        faults: usize,
        neighbours: usize,
    }

    impl Model {
        fn new(pages: usize, advice: Advice) -> Result<Self> {
            Ok(Self {
                mapped: KVec::from_elem(false, pages, GFP_KERNEL)?,
                advice,
                faults: 0,
                neighbours: 0,
            })
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
            if self.mapped[page] {
                return;
            }
            let pages = self.mapped.len();
            let in_table = page % TABLE;
            let max_window = PageWindow {
                before: in_table,
                after: (TABLE - 1 - in_table).min(pages - 1 - page),
            };
            let window = window(&FaultContext {
                mapped: PageWindow {
                    before: self.run(page, usize::checked_sub),
                    after: self.run(page, usize::checked_add),
                },
                advice: self.advice,
                is_first: page == 0,
                is_last: page == pages - 1,
                will_need: false,
            })
            .min(max_window);
            self.faults += 1;
            self.mapped[page] = true;
            for beside in &mut self.mapped[page - window.before..=page + window.after] {
                if !*beside {
                    *beside = true;
                    self.neighbours += 1;
                }
            }
        }

        fn cost(&self) -> usize {
            self.faults * FAULT_COST + self.neighbours * NEIGHBOUR_COST
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
                mapped: PageWindow::NONE,
                advice,
                is_first: false,
                is_last: false,
                will_need: true,
            };
            assert_eq!(window(&context), PageWindow::ALL);
        }
    }

    #[test]
    fn a_hole_is_filled_alone() {
        let context = FaultContext {
            mapped: PageWindow {
                before: 4,
                after: 1,
            },
            advice: Advice::Normal,
            is_first: false,
            is_last: false,
            will_need: false,
        };
        assert_eq!(window(&context), PageWindow::NONE);
    }
}
