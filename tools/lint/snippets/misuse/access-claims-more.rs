// SPDX-License-Identifier: GPL-2.0

//! An access callback returns the number of transferred bytes, and claims too many.

use crate::{
    toy,
    units::PageIndex,
    upstream::{
        gem::{
            MappedObject,
            ObjectData,
            Reserved,
            Transfer, //
        },
        wc_bar::WcBar, //
    }, //
};
use kernel::prelude::*;

/// An object that shows the start of the BAR.
struct Toy;

impl ObjectData for Toy {
    type Driver = toy::Driver<Self>;
    type Place = ();
}

impl MappedObject for Toy {
    toy::bar_without_access!();

    fn access(
        _obj: &mut Reserved<'_, Self>,
        _bar: Option<&WcBar<'_>>,
        _page: PageIndex,
        _in_page: usize,
        _transfer: Transfer<'_>,
    ) -> Result<usize> {
        //~^ E0053
        Ok(usize::MAX)
    }
}
