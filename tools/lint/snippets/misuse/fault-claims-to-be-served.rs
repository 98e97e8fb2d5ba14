// SPDX-License-Identifier: GPL-2.0

//! `fault` returns `NOPAGE` without having inserted an entry: the access would be retried forever.

use crate::upstream::gem::{
    fault::{
        Fault,
        VmFault, //
    },
    MappedObject, //
};

fn fault<T: MappedObject>(_fault: &Fault<'_, T>) -> VmFault {
    VmFault::NOPAGE //~ E0624
}
