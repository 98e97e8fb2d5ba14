// SPDX-License-Identifier: GPL-2.0

//! The range of one fault is used in another fault.

use crate::upstream::gem::{
    huge_fault::{
        HugeFault,
        PmdRange, //
    },
    MappedObject, //
};

fn keep<T: MappedObject>(
    fault: &HugeFault<'_, T>,
    kept: &mut Option<PmdRange<'static, 'static, T>>,
) {
    *kept = fault.pmd_range(); //~ E0521
}
