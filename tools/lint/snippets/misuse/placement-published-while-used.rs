// SPDX-License-Identifier: GPL-2.0

//! A placement record is replaced while it is in use.

use crate::upstream::gem::{
    MappedObject,
    Reserved, //
};
use kernel::prelude::*;

fn replace<T: MappedObject>(obj: &mut Reserved<'_, T>, new: KBox<T::Place>) -> bool {
    let place = obj.place();
    obj.publish(new); //~ E0502
    place.is_some()
}
