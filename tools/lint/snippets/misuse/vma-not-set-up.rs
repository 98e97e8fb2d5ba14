// SPDX-License-Identifier: GPL-2.0

//! A mapping that was never made one of page frames: inserting a PFN there is a `BUG()`.

use crate::upstream::vma::{
    VmaNew,
    VmaPfnMap, //
};
use core::marker::PhantomData;
use kernel::prelude::*;

fn mmap<'a>(vma: VmaNew<'a>) -> Result<VmaPfnMap<'a>> {
    let _ = vma;
    Ok(VmaPfnMap(PhantomData)) //~ E0423
}
