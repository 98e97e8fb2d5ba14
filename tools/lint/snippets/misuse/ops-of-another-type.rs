// SPDX-License-Identifier: GPL-2.0

//! The callbacks of one type are used for objects of another type, which are cast to the wrong type.

use crate::{
    gem::VramObject,
    upstream::gem::{
        MappedObject,
        Ops, //
    }, //
};

static OPS: Ops<VramObject> = Ops::new();

fn ops<T: MappedObject>() -> &'static Ops<T> {
    &OPS //~ E0308
}
