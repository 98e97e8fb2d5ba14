// SPDX-License-Identifier: GPL-2.0

//! A part of a BAR claims more bytes than it has.

use crate::upstream::wc_bar::BarPart;

fn longer(part: BarPart<'_>) -> BarPart<'_> {
    BarPart {
        len: usize::MAX, //~ E0451
        ..part           //~ E0451
    }
}
