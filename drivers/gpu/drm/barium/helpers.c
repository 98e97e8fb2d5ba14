// SPDX-License-Identifier: GPL-2.0
/*
 * What bindgen cannot see: macros and inline functions, as functions. Nothing else belongs here.
 * Declared to Rust where they are used, in upstream/.
 */
#include <drm/drm_gem.h>
#include <drm/drm_vma_manager.h>
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

/* 1: MADV_SEQUENTIAL, 2: MADV_RANDOM, 0: neither */
unsigned int barium_vma_advice(const struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_SEQ_READ)
		return 1;
	return vma->vm_flags & VM_RAND_READ ? 2 : 0;
}

/*
 * Whether something is mapped at @address, which is in the area of @vmf, a fault being served.
 * Takes no lock: the answer may be out of date. Not further away than one table of PMDs reaches.
 */
bool barium_is_mapped(const struct vm_fault *vmf, unsigned long address)
{
	pmd_t *pmdp = vmf->pmd + pmd_index(address) - pmd_index(vmf->address);
	pmd_t pmd;

	if ((address ^ vmf->address) & PUD_MASK)
		return false;
	pmd = pmdp_get_lockless(pmdp);
	if (pmd_none(pmd) || pmd_leaf(pmd))
		return !pmd_none(pmd);
	return !pte_none(ptep_get(pte_offset_kernel(&pmd, address)));
}

/*
 * Maps up to @before pages before and @after pages after that of @vmf, where nothing is mapped, to
 * the frames beside @pfn, like the entry that was just made for @pfn. All in one page table.
 */
void barium_map_neighbours(struct vm_fault *vmf, unsigned long pfn, unsigned long before,
			   unsigned long after)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	unsigned long address = vmf->address & PAGE_MASK;
	pte_t *ptep = pte_offset_kernel(vmf->pmd, address);
	spinlock_t *ptl = pte_lockptr(mm, vmf->pmd);
	unsigned long pages = before + 1 + after;
	pte_t entry;

	spin_lock(ptl);
	entry = ptep_get(ptep);
	if (!pte_present(entry) || pte_pfn(entry) != pfn)
		goto unlock;

	ptep -= before;
	address -= before << PAGE_SHIFT;
	entry = pte_mkspecial(pfn_pte(pfn - before, pte_pgprot(pte_mkclean(entry))));
	for (; pages; pages--, ptep++, address += PAGE_SIZE, entry = pte_next_pfn(entry)) {
		if (!pte_none(ptep_get(ptep)))
			continue;
		set_pte_at(mm, address, ptep, entry);
		update_mmu_cache(vmf->vma, address, ptep);
	}
unlock:
	spin_unlock(ptl);
}

void barium_vma_offset_lock(struct drm_vma_offset_manager *mgr)
{
	drm_vma_offset_lock_lookup(mgr);
}

void barium_vma_offset_unlock(struct drm_vma_offset_manager *mgr)
{
	drm_vma_offset_unlock_lookup(mgr);
}

bool barium_gem_object_get_unless_zero(struct drm_gem_object *obj)
{
	return kref_get_unless_zero(&obj->refcount);
}
