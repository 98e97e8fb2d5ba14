// SPDX-License-Identifier: GPL-2.0

//! Damage: the parts of a framebuffer that a client has changed since the plane's last update.
//!
//! - Upstream today: nothing.
//! - The shape it should have: [`Damage`], as a method of the old and the new state of a plane.
//! - Why this is sound on 7.3: DRM's iterator reads the two states, the old one while it is
//!   initialised, and the damage clips of the new one, to which that state holds a reference.
//!   During a commit, none of these changes.
//! - Delete when upstream has KMS abstractions.
//!
//! C header: [`include/drm/drm_damage_helper.h`](srctree/include/drm/drm_damage_helper.h)

use super::bindings;
use core::marker::PhantomData;
use kernel::prelude::*;

/// A rectangle of a framebuffer. It is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rect {
    /// The left edge, in pixels.
    pub(crate) x: u16,
    /// The top edge, in lines.
    pub(crate) y: u16,
    /// The width, in pixels.
    pub(crate) width: u16,
    /// The height, in lines.
    pub(crate) height: u16,
}

/// The damage of a plane update.
///
/// # Invariants
///
/// `old` and `new` are the states of one plane in a commit, which do not change for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Damage<'a> {
    old: *const bindings::drm_plane_state,
    new: *const bindings::drm_plane_state,
    _states: PhantomData<&'a ()>,
}

impl<'a> Damage<'a> {
    /// # Safety
    ///
    /// `old` and `new` must be the states of one plane in a commit, and must not change for `'a`.
    pub(super) unsafe fn from_raw(
        old: *const bindings::drm_plane_state,
        new: *const bindings::drm_plane_state,
    ) -> Self {
        // INVARIANT: The safety requirements are the type invariants.
        Self {
            old,
            new,
            _states: PhantomData,
        }
    }

    /// Returns the damaged rectangles, in coordinates of the new framebuffer and within the part
    /// that the plane shows. If the client has passed no damage clips, or if the plane shows
    /// another part than before, the only rectangle is that whole part.
    ///
    /// This is the difference from the framebuffer of the old state, even if that is another one.
    pub(crate) fn rects(self) -> Rects<'a> {
        let mut iter = pin_init::zeroed();
        // SAFETY: By the type invariants, the states are valid. The call initialises `iter`.
        unsafe {
            bindings::drm_atomic_helper_damage_iter_init(&raw mut iter, self.old, self.new);
        }
        // INVARIANT: The iterator was initialised above, for the new state.
        Rects {
            iter,
            _states: PhantomData,
        }
    }
}

/// The damaged rectangles of a plane update.
///
/// # Invariants
///
/// `iter` is initialised. The clips that it points to are valid for `'a`.
pub(crate) struct Rects<'a> {
    iter: bindings::drm_atomic_helper_damage_iter,
    _states: PhantomData<&'a ()>,
}

impl Iterator for Rects<'_> {
    type Item = Rect;

    fn next(&mut self) -> Option<Rect> {
        loop {
            let mut rect: bindings::drm_rect = pin_init::zeroed();
            // SAFETY: By the type invariants, the iterator is initialised and its clips are valid.
            let found = unsafe {
                bindings::drm_atomic_helper_damage_iter_next(&raw mut self.iter, &raw mut rect)
            };
            if !found {
                return None;
            }
            // The rectangle is within the part that the plane shows, so no edge is negative.
            let edge = |edge: c_int| u16::try_from(edge).unwrap_or(0);
            let (x, y) = (edge(rect.x1), edge(rect.y1));
            let rect = Rect {
                x,
                y,
                width: edge(rect.x2).saturating_sub(x),
                height: edge(rect.y2).saturating_sub(y),
            };
            if rect.width != 0 && rect.height != 0 {
                return Some(rect);
            }
        }
    }
}
