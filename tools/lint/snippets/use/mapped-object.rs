// SPDX-License-Identifier: GPL-2.0

//! An object whose mappings show a BAR.

use crate::{
    toy,
    units::PageIndex,
    upstream::{
        gem::{
            MappedObject,
            Object,
            ObjectData,
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
        _obj: &Object<Self>,
        bar: &WcBar<'_>,
        _page: PageIndex,
        in_page: usize,
        transfer: Transfer<'_>,
    ) -> Result {
        match transfer {
            Transfer::Read(buf) => bar.read(in_page, buf),
            Transfer::Write(buf) => bar.write(in_page, buf),
        }
    }
}
