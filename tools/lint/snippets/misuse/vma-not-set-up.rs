// SPDX-License-Identifier: GPL-2.0

//! A PFN is inserted into a VMA that is not set up for PFNs, which is a `BUG()`.

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
