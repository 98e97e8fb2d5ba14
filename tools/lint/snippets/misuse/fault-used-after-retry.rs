// SPDX-License-Identifier: GPL-2.0

//! A fault is used after it has been served by a method that may release the lock of its VMA.

use crate::upstream::{
    gem::{
        fault::{
            Fault,
            VmFault, //
        },
        MappedObject, //
    },
    trace::Where, //
};

fn fault<T: MappedObject>(fault: Fault<'_, T>) -> VmFault {
    fault.serve_reserved(|_, _, _, _| Ok(Where::None), Fault::insert_zero_page);
    fault.insert_zero_page() //~ E0382
}

fn object<T: MappedObject>(fault: Fault<'_, T>) -> usize {
    let obj = fault.object();
    fault.serve_reserved(|_, _, _, _| Ok(Where::None), Fault::insert_zero_page); //~ E0505
    T::align_hint(obj)
}
