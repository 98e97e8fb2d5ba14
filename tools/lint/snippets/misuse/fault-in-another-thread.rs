// SPDX-License-Identifier: GPL-2.0

//! A fault is handled in another thread than the one that has locked the VMA for it.

use crate::upstream::gem::{
    fault::Fault,
    MappedObject, //
};

fn hand_over<T: Send>(_: T) {}

fn fault<T: MappedObject>(fault: &Fault<'_, T>) {
    hand_over(fault); //~ E0277
}
