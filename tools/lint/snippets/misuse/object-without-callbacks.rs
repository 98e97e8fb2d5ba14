// SPDX-License-Identifier: GPL-2.0

//! An object is created by the kernel crate's constructor, without the callbacks that its mappings need.

use crate::upstream::gem::{
    MappedObject,
    Object, //
};
use kernel::{
    drm,
    page::PAGE_SIZE,
    prelude::*, //
};

fn create<T: MappedObject>(dev: &drm::Device<T::Driver>, data: T) -> Result {
    Object::<T>::new(dev, PAGE_SIZE, data)?; //~ E0308
    let args = crate::upstream::gem::object::Args { data, place: None }; //~ E0603
    Object::<T>::new(dev, PAGE_SIZE, args)?;
    Ok(())
}
