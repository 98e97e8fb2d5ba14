// SPDX-License-Identifier: GPL-2.0

//! The VRAM that each client uses, compared with its share.
//!
//! The share is the same for all clients: VRAM divided by the number of clients that have objects
//! in it. An object counts for the client that created it.
//!
//! This is arithmetic only. [`super::room`] reads the numbers from the objects when VRAM is full,
//! so the accounting costs nothing when an object is created or closed.

use crate::device::ClientId;
use kernel::prelude::*;

/// The pages of VRAM that a client uses.
struct Usage {
    client: ClientId,
    pages: usize,
}

/// The pages of VRAM that all clients use.
pub(super) struct Shares {
    /// One element for each client, in ascending order, once [`Self::settle`] was called.
    usage: KVVec<Usage>,
    /// The share of each client, in pages.
    share: usize,
}

impl Shares {
    /// Creates a list with room for `objects` objects.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(objects: usize) -> Result<Self> {
        Ok(Self {
            usage: KVVec::with_capacity(objects + 1, GFP_KERNEL_ACCOUNT)?,
            share: 0,
        })
    }

    /// Adds an object of `client` with `pages` pages. Allocates no memory: leaves out an object for
    /// which the list has no room.
    pub(super) fn add(&mut self, client: ClientId, pages: usize) {
        match self.usage.last_mut() {
            Some(last) if last.client == client => last.pages += pages,
            _ => {
                let _ = self.usage.push_within_capacity(Usage { client, pages });
            }
        }
    }

    /// Computes the shares in `vram` pages of VRAM, after all objects were added.
    pub(super) fn settle(&mut self, vram: usize) {
        self.usage.sort_unstable_by_key(|usage| usage.client);
        let mut last = 0;
        for next in 1..self.usage.len() {
            let (merged, rest) = self.usage.split_at_mut(next);
            let (Some(usage), Some(other)) = (merged.get_mut(last), rest.first_mut()) else {
                break;
            };
            if usage.client == other.client {
                usage.pages += other.pages;
            } else {
                last += 1;
                self.usage.swap(last, next);
            }
        }
        self.usage.truncate(last + 1);
        self.share = vram.checked_div(self.usage.len()).unwrap_or(vram);
    }

    /// Returns the number of pages that `client` uses.
    fn pages(&self, client: ClientId) -> usize {
        self.usage
            .binary_search_by_key(&client, |usage| usage.client)
            .ok()
            .and_then(|index| self.usage.get(index))
            .map_or(0, |usage| usage.pages)
    }

    /// Returns true if `client` uses more than its share.
    pub(super) fn is_above(&self, client: ClientId) -> bool {
        self.pages(client) > self.share
    }
}

#[kunit_tests(barium_gem_shares)]
mod tests {
    use super::*;

    fn shares(vram: usize, objects: &[(u32, usize)]) -> Result<Shares> {
        let mut shares = Shares::new(objects.len())?;
        for &(client, pages) in objects {
            shares.add(ClientId(client), pages);
        }
        shares.settle(vram);
        Ok(shares)
    }

    #[test]
    fn a_single_client_may_use_all() -> Result {
        let all = shares(64, &[(7, 32), (7, 32)])?;
        assert!(!all.is_above(ClientId(7)));
        assert_eq!(all.pages(ClientId(7)), 64);
        assert!(!shares(64, &[])?.is_above(ClientId(7)));
        Ok(())
    }

    #[test]
    fn a_client_without_objects_counts_if_it_was_added() -> Result {
        let all = shares(64, &[(7, 33), (3, 0)])?;
        assert!(all.is_above(ClientId(7)));
        assert!(!all.is_above(ClientId(3)));
        assert!(!shares(64, &[(7, 32), (3, 0)])?.is_above(ClientId(7)));
        Ok(())
    }

    #[test]
    fn objects_of_a_client_add_up_in_any_order() -> Result {
        let all = shares(
            60,
            &[(3, 1), (1, 10), (2, 20), (1, 11), (3, 5), (2, 1), (1, 1)],
        )?;
        for (client, pages, is_above) in [(1, 22, true), (2, 21, true), (3, 6, false)] {
            assert_eq!(all.pages(ClientId(client)), pages);
            assert_eq!(all.is_above(ClientId(client)), is_above);
        }
        assert_eq!(all.pages(ClientId(4)), 0);
        Ok(())
    }
}
