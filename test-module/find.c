// SPDX-License-Identifier: GPL-2.0
/*
 * Finds a page table entry of the current process. This is C because the functions and types of
 * page tables are macros and inline functions.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched.h>

#include "barium_entry.h"

/*
 * The functions that make a protection of a memory type leave one alone that has this type. On x86,
 * they only add bits, and the strongest type has the bits of all others.
 */
static u32 memory_type(pgprot_t prot)
{
	pgprot_t none = __pgprot(0);

	if (pgprot_val(pgprot_noncached(none)) == pgprot_val(none))
		return BARIUM_ENTRY_BY_ADDRESS;
	if (pgprot_val(pgprot_noncached(prot)) == pgprot_val(prot))
		return BARIUM_ENTRY_UNCACHED;
	if (pgprot_val(pgprot_writecombine(prot)) == pgprot_val(prot))
		return BARIUM_ENTRY_WRITE_COMBINING;
	return BARIUM_ENTRY_CACHED;
}

static void show_pte(struct barium_entry *entry, pte_t pte)
{
	if (!pte_present(pte))
		return;
	entry->value = pte_val(pte);
	entry->size = PAGE_SIZE;
	entry->pfn = pte_pfn(pte);
	entry->type = memory_type(pte_pgprot(pte));
	entry->flags = (pte_write(pte) ? BARIUM_ENTRY_WRITABLE : 0) |
		       (pte_dirty(pte) ? BARIUM_ENTRY_DIRTY : 0);
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
static pgprot_t huge_pgprot(pmd_t pmd)
{
#ifdef CONFIG_X86
	/* A huge entry has another bit where a small one has that of the PAT. */
	return pgprot_large_2_4k(pmd_pgprot(pmd));
#else
	return pmd_pgprot(pmd);
#endif
}

static void show_pmd(struct barium_entry *entry, pmd_t pmd)
{
	entry->value = pmd_val(pmd);
	entry->size = PMD_SIZE;
	entry->pfn = pmd_pfn(pmd) + ((entry->address & ~PMD_MASK) >> PAGE_SHIFT);
	entry->type = memory_type(huge_pgprot(pmd));
	entry->flags = (pmd_write(pmd) ? BARIUM_ENTRY_WRITABLE : 0) |
		       (pmd_dirty(pmd) ? BARIUM_ENTRY_DIRTY : 0);
}
#endif

static void show(struct barium_entry *entry, struct mm_struct *mm)
{
	pgd_t *pgd = pgd_offset(mm, entry->address);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t pmd;

	if (pgd_none(*pgd))
		return;
	p4d = p4d_offset(pgd, entry->address);
	if (p4d_none(*p4d))
		return;
	pud = pud_offset(p4d, entry->address);
	if (pud_none(*pud) || pud_leaf(*pud))
		return;
	pmd = pmdp_get_lockless(pmd_offset(pud, entry->address));
	if (pmd_none(pmd))
		return;
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	if (pmd_leaf(pmd)) {
		show_pmd(entry, pmd);
		return;
	}
#endif
	show_pte(entry, ptep_get(pte_offset_kernel(&pmd, entry->address)));
}

/* Fills @entry in for its address. Returns 0 or a negative errno. */
int barium_entry_find(struct barium_entry *entry)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	unsigned long flags;
	int ret;

	ret = mmap_read_lock_killable(mm);
	if (ret)
		return ret;
	vma = vma_lookup(mm, entry->address);
	if (vma) {
		/* Page tables are freed only after all CPUs have had interrupts enabled. */
		local_irq_save(flags);
		show(entry, mm);
		local_irq_restore(flags);
	}
	mmap_read_unlock(mm);
	return vma ? 0 : -EFAULT;
}
