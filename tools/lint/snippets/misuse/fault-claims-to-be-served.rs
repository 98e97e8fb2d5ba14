// SPDX-License-Identifier: GPL-2.0

//! B9: `fault` says that it has inserted an entry, and has not: the access is repeated for ever.

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
