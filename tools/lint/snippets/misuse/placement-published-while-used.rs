// SPDX-License-Identifier: GPL-2.0

//! A placement record is replaced while it is in use.

use crate::upstream::gem::{
    MappedObject,
    Reserved, //
};
use kernel::prelude::*;

fn replace<T: MappedObject>(obj: &mut Reserved<'_, T>, new: KBox<T::Place>) -> Result<bool> {
    let place = obj.place();
    obj.vacate()?.publish(new); //~ E0502
    Ok(place.is_some())
}
