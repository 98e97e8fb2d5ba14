// SPDX-License-Identifier: GPL-2.0

//! A VMA that is being set up is kept until it is in use.

use crate::upstream::vma::VmaNew;

fn mmap<'a>(vma: VmaNew<'a>, kept: &mut Option<VmaNew<'static>>) {
    *kept = Some(vma); //~ error: lifetime may not live long enough
}
