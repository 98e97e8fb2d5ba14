// SPDX-License-Identifier: GPL-2.0

//! A part of a BAR outlives the BAR.

use crate::upstream::wc_bar::{
    BarPart,
    PfnRange,
    WcBar, //
};
use kernel::{
    device::Bound,
    pci,
    prelude::*, //
};

fn part(pdev: &pci::Device<Bound>) -> Result<BarPart<'_>> {
    let bar = WcBar::new(pdev, 0, c"toy")?;
    bar.part(0, 16) //~ E0515
}

fn pfns(pdev: &pci::Device<Bound>) -> Result<PfnRange<'_>> {
    let bar = WcBar::new(pdev, 0, c"toy")?;
    bar.pfn_range(0, 1, 0).ok_or(EINVAL) //~ E0515
}
