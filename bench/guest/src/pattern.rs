// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Which pages a workload touches, and in which order.

/// An access pattern.
#[derive(Clone, Copy)]
pub enum Pattern {
    /// All pages, forward.
    Forward,
    /// Every 32nd page, forward: fault-around of fewer pages is useless here.
    Stride32,
    /// All pages, backward.
    Backward,
    /// One page in a hundred, at random.
    Random1,
    /// One page in ten, at random.
    Random10,
}

impl Pattern {
    /// All patterns.
    pub const ALL: [Self; 5] = [
        Self::Forward,
        Self::Stride32,
        Self::Backward,
        Self::Random1,
        Self::Random10,
    ];

    /// Returns the pattern's part of a workload's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "seq",
            Self::Stride32 => "stride32",
            Self::Backward => "reverse",
            Self::Random1 => "random1",
            Self::Random10 => "random10",
        }
    }

    /// Returns the pages to touch in an object of `count` pages, at least one.
    pub fn pages(self, count: usize) -> Vec<usize> {
        match self {
            Self::Forward => (0..count).collect(),
            Self::Stride32 => (0..count).step_by(32).collect(),
            Self::Backward => (0..count).rev().collect(),
            Self::Random1 => at_random(count, count / 100),
            Self::Random10 => at_random(count, count / 10),
        }
    }
}

/// Returns `wanted` different pages of `count`, the same ones in each run.
fn at_random(count: usize, wanted: usize) -> Vec<usize> {
    let mut pages: Vec<usize> = (0..count).collect();
    let mut state = 0x0042_6172_6975_6d00;
    for position in 0..wanted.max(1) {
        let left = u64::try_from(count - position).expect("no machine has more");
        let skip = usize::try_from(next(&mut state) % left).expect("less than count");
        pages.swap(position, position + skip);
    }
    pages.truncate(wanted.max(1));
    pages
}

/// The SplitMix64 generator.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_page_once_and_within_the_object() {
        for count in [1, 16, 256, 2048] {
            for pattern in Pattern::ALL {
                let pages = pattern.pages(count);
                assert!(pages.iter().all(|&page| page < count));
                assert_eq!(pages.iter().collect::<BTreeSet<_>>().len(), pages.len());
            }
        }
    }

    #[test]
    fn as_many_as_the_name_says() {
        let counts: Vec<usize> = Pattern::ALL.map(|p| p.pages(2048).len()).into();
        assert_eq!(counts, [2048, 64, 2048, 20, 204]);
    }
}
