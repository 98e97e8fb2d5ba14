// SPDX-License-Identifier: GPL-2.0

//! A part of a BAR, and a kernel mapping, claim more bytes than they have.

use crate::upstream::wc_bar::{
    BarPart,
    VMap, //
};

fn longer(part: &mut BarPart<'_>, map: &mut VMap) {
    part.len = usize::MAX; //~ E0616
    map.len = usize::MAX; //~ E0616
}
