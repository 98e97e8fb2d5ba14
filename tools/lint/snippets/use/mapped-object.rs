// SPDX-License-Identifier: GPL-2.0

//! An object whose mappings show a BAR.

use crate::{
    toy,
    units::PageIndex,
    upstream::{
        gem::{
            MappedObject,
            ObjectData,
            Reserved,
            Served,
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
        bar: Option<&WcBar<'_>>,
        _page: PageIndex,
        in_page: usize,
        transfer: Transfer<'_>,
    ) -> Result<Served> {
        let Some(bar) = bar else {
            return Ok(Served::ContentGone);
        };
        match transfer {
            Transfer::Read(buf) => bar.read(in_page, buf)?,
            Transfer::Write(buf) => bar.write(in_page, buf)?,
        }
        Ok(Served::Done)
    }
}
