// SPDX-License-Identifier: GPL-2.0
/*
 * What bindgen cannot see: macros and inline functions, as functions. Nothing else belongs here.
 * Declared to Rust where they are used, in upstream/.
 */
#include <drm/drm_gem.h>
#include <drm/drm_vma_manager.h>
#include <linux/aperture.h>
#include <linux/mm.h>
#include <linux/pgalloc.h>
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

/* Keeps fork() from copying entries into @vma, the child's area, which it has just made. */
void barium_wipe_on_fork(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_WIPEONFORK);
}

/*
 * Puts the page table that the memory manager has allocated for @vmf in place, if there is none
 * yet. What pmd_install() does for the memory manager's own files.
 */
static void barium_install_table(struct vm_fault *vmf)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	spinlock_t *ptl = pmd_lock(mm, vmf->pmd);

	if (pmd_none(*vmf->pmd)) {
		mm_inc_nr_ptes(mm);
		/* The table's content before the table: another CPU may walk it without a lock. */
		smp_wmb();
		pmd_populate(mm, vmf->pmd, vmf->prealloc_pte);
		vmf->prealloc_pte = NULL;
	}
	spin_unlock(ptl);
}

/*
 * Sees to it that the page of @vmf can be mapped by itself. Returns false if it cannot, as somebody
 * else has just mapped it with a huge entry, which vmf_insert_pfn_prot() does not expect to meet.
 * Once there is a page table, it stays.
 */
bool barium_prepare_table(struct vm_fault *vmf)
{
	if (vmf->prealloc_pte)
		barium_install_table(vmf);
	return !pmd_leaf(pmdp_get_lockless(vmf->pmd));
}

/*
 * Whether something is mapped at @address, which is in the area of @vmf, a fault being served.
 * Takes no lock: the answer may be out of date. Not further away than one table of PMDs reaches.
 */
static bool barium_is_mapped(const struct vm_fault *vmf, unsigned long address)
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

/* The same @distance pages before or after that of @vmf, whose page @table is its page table's. */
static bool barium_is_mapped_beside(const struct vm_fault *vmf, const pte_t *table,
				    long distance)
{
	long index = (long)pte_index(vmf->address) + distance;

	if (index >= 0 && index < PTRS_PER_PTE)
		return !pte_none(READ_ONCE(table[index]));
	return barium_is_mapped(vmf, vmf->address + distance * PAGE_SIZE);
}

/* What there is around a fault. Rust has the same struct. */
struct barium_around {
	unsigned long before;
	unsigned long after;
	unsigned long advice;
};

/*
 * Looks around @vmf, a fault whose page has just been mapped. Before and after: the length of the
 * run of mapped pages on that side, at least as many as said, where a doubling distance each time
 * is mapped; at most what one page table has. Advice: 1 for MADV_SEQUENTIAL, 2 for MADV_RANDOM.
 */
void barium_look_around(const struct vm_fault *vmf, struct barium_around *around)
{
	const struct vm_area_struct *vma = vmf->vma;
	const pte_t *table = pte_offset_kernel(vmf->pmd, 0);
	long first = -(long)((vmf->address - vma->vm_start) >> PAGE_SHIFT);
	long last = (vma->vm_end - 1 - vmf->address) >> PAGE_SHIFT;
	long distance;

	around->before = 0;
	around->after = 0;
	around->advice = 0;
	if (vma->vm_flags & (VM_SEQ_READ | VM_RAND_READ))
		around->advice = vma->vm_flags & VM_SEQ_READ ? 1 : 2;

	first = max(first, -PTRS_PER_PTE);
	for (distance = -1; distance >= first; distance *= 2) {
		if (!barium_is_mapped_beside(vmf, table, distance))
			break;
		around->before = -distance;
	}
	last = min(last, PTRS_PER_PTE);
	for (distance = 1; distance <= last; distance *= 2) {
		if (!barium_is_mapped_beside(vmf, table, distance))
			break;
		around->after = distance;
	}
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

int barium_remove_firmware_fb(struct pci_dev *pdev, const char *name)
{
	return aperture_remove_conflicting_pci_devices(pdev, name);
}
