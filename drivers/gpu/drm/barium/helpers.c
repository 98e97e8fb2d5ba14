// SPDX-License-Identifier: GPL-2.0
/*
 * What bindgen cannot see: macros and inline functions, as functions. Nothing else belongs here.
 * Declared to Rust where they are used, in upstream/.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>

/* A device page, write-combined, and outside of memory encryption as device memory always is. */
pgprot_t barium_pgprot_device_wc(pgprot_t prot)
{
	return pgprot_decrypted(pgprot_writecombine(prot));
}

unsigned long barium_page_to_pfn(struct page *page)
{
	return page_to_pfn(page);
}
