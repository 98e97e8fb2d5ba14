// SPDX-License-Identifier: GPL-2.0

//! A fault inserts a PFN outside of the registration guard.

use crate::upstream::gem::{
    fault::Fault,
    MappedObject, //
};
use kernel::bindings;

fn insert<T: MappedObject>(fault: &Fault<'_, T>, prot: bindings::pgprot_t) {
    let _ = fault.insert_pfn(0, prot); //~ E0624
}
