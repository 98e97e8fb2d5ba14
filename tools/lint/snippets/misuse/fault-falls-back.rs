// SPDX-License-Identifier: GPL-2.0

//! `fault` returns `FALLBACK`, which only `huge_fault` may: the kernel would panic.

use crate::upstream::gem::huge_fault::HugeVmFault;
use crate::upstream::gem::{
    fault::{
        Fault,
        VmFault, //
    },
    MappedObject, //
};

fn by_huge_type<T: MappedObject>(_fault: &Fault<'_, T>) -> VmFault {
    HugeVmFault::FALLBACK //~ E0308
}

fn by_name<T: MappedObject>(_fault: &Fault<'_, T>) -> VmFault {
    VmFault::FALLBACK //~ E0599
}
