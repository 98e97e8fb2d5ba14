// SPDX-License-Identifier: GPL-2.0

//! A fault is served by the thread that has it: the area is locked for that one.

use crate::upstream::gem::{
    fault::Fault,
    MappedObject, //
};

fn hand_over<T: Send>(_: T) {}

fn fault<T: MappedObject>(fault: &Fault<'_, T>) {
    hand_over(fault); //~ E0277
}
