// SPDX-License-Identifier: GPL-2.0
/*
 * Wrappers of macros, of inline functions and of a function with variable arguments, for which the
 * kernel has no bindings, and short functions that consist mostly of such calls, such as loops over
 * page table entries. Nothing else belongs here. The files in upstream/ declare the functions that
 * they use.
 */
#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_mm.h>
#include <drm/drm_modeset_lock.h>
#include <drm/drm_print.h>
#include <drm/drm_vma_manager.h>
#include <linux/aperture.h>
#include <linux/cgroup_dmem.h>
#include <linux/fs_context.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/page_table_check.h>
#include <linux/pagemap.h>
#include <linux/pgalloc.h>
#include <linux/pgtable.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/shrinker.h>
#include <linux/swap.h>
#include <linux/vmalloc.h>

/* Rust code computes the numbers of entries from the sizes of a page and of an entry. */
static_assert(sizeof(pte_t) == PAGE_SIZE / PTRS_PER_PTE);
static_assert(sizeof(pmd_t) == PAGE_SIZE / PTRS_PER_PMD);

/* Returns @prot with the attributes of device memory: write-combining and decrypted. */
pgprot_t barium_pgprot_device_wc(pgprot_t prot)
{
	return pgprot_decrypted(pgprot_writecombine(prot));
}

void __iomem *barium_ioremap_wc(phys_addr_t phys, size_t len)
{
	return ioremap_wc(phys, len);
}

/*
 * Returns true if @base, which ioremap_wc() has returned, is mapped write-combining. On x86, the
 * first mapping of a range decides its memory type for all later mappings. Without PAT, no
 * mapping is write-combining.
 */
bool barium_is_write_combining(void __iomem *base)
{
#ifdef CONFIG_X86
	pgprotval_t wc = pgprot_val(pgprot_writecombine(__pgprot(0)));
	pgprotval_t uncached = pgprot_val(pgprot_noncached(__pgprot(0)));
	unsigned int level;
	pte_t *entry = lookup_address((unsigned long)base, &level);

	/* Neither type uses the PAT bit, whose position depends on the level. */
	return entry && wc != uncached &&
	       (pte_flags(*entry) & (_PAGE_PWT | _PAGE_PCD)) == wc;
#else
	return true;
#endif
}

unsigned long barium_page_to_pfn(struct page *page)
{
	return page_to_pfn(page);
}

void barium_release_fault_lock(struct vm_fault *vmf)
{
	release_fault_lock(vmf);
}

/* Returns true if the kernel can give huge pages to the files of a tmpfs mount. */
bool barium_has_huge_tmpfs(void)
{
	return IS_ENABLED(CONFIG_TMPFS) && IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) &&
	       has_transparent_hugepage();
}

/* Returns the configuration of a mount that no program can see, or an error pointer. */
struct fs_context *barium_fs_context_for_internal_mount(struct file_system_type *type)
{
	return fs_context_for_mount(type, SB_KERNMOUNT);
}

int barium_parse_fs_string(struct fs_context *fc, const char *key, const char *value)
{
	return vfs_parse_fs_string(fc, key, value);
}

/*
 * Creates a shmem file of @size bytes whose pages reclaim skips: on @mnt, a tmpfs mount, or on the
 * kernel's own mount if @mnt is NULL. Returns an error pointer on failure.
 */
struct file *barium_shmem_file(struct vfsmount *mnt, loff_t size)
{
	const vma_flags_t flags = mk_vma_flags(VMA_NORESERVE_BIT);
	struct file *file;

	if (mnt)
		file = shmem_file_setup_with_mnt(mnt, "barium object", size, flags);
	else
		file = shmem_file_setup("barium object", size, flags);
	if (IS_ERR(file))
		return file;
	mapping_set_unevictable(file->f_mapping);
	/* Only barium_shmem_new_pages() allocates with this mask. */
	mapping_set_gfp_mask(file->f_mapping, GFP_HIGHUSER | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	return file;
}

/*
 * Allocates page @index of a shmem file, and the pages after it that are in the same folio: @count
 * pages in total, at most @max. Returns page @index with @count references to the folio, or returns
 * an error pointer: -ENOMEM instead of invoking the OOM killer. The pages have the content of
 * memory that was freed before. Once all pages of the file have other content, the caller calls
 * barium_shmem_page_written() for each.
 */
struct page *barium_shmem_new_pages(struct file *file, unsigned long index, unsigned long max,
				    unsigned long *count)
{
	struct folio *folio;
	int ret;

	ret = shmem_get_folio(file_inode(file), index, 0, &folio, SGP_WRITE);
	if (ret)
		return ERR_PTR(ret);
	*count = min(folio_next_index(folio) - index, max);
	folio_ref_add(folio, *count - 1);
	folio_unlock(folio);
	return folio_file_page(folio, index);
}

void barium_shmem_page_written(struct page *page)
{
	folio_mark_uptodate(page_folio(page));
}

/*
 * Returns page @index of a shmem file with a reference, or an error pointer. Allocates the page if
 * the file does not have it, in any zone except ZONE_MOVABLE, because the page may be in use for
 * long. Reads it from swap if it is there. If @may_fail is set, returns -ENOMEM instead of invoking
 * the OOM killer. Reclaim skips the pages of the file until barium_shmem_make_evictable() is
 * called.
 */
struct page *barium_shmem_page(struct file *file, unsigned long index, bool may_fail)
{
	gfp_t gfp = GFP_HIGHUSER;

	if (!mapping_unevictable(file->f_mapping))
		mapping_set_unevictable(file->f_mapping);
	if (may_fail)
		gfp |= __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	return shmem_read_mapping_page_gfp(file->f_mapping, index, gfp);
}

void barium_put_page(struct page *page)
{
	put_page(page);
}

void *barium_kmap_page(struct page *page)
{
	return kmap_local_page(page);
}

void barium_kunmap_page(void *address)
{
	kunmap_local(address);
}

/* Maps @count pages of system memory, one after the other. Returns NULL on failure. */
void *barium_vmap_pages(struct page **pages, unsigned int count)
{
	return vmap(pages, count, VM_MAP, PAGE_KERNEL);
}

void barium_vunmap(const void *address)
{
	vunmap(address);
}

/* Puts a reference to a page of a shmem file. Marks it dirty, so that reclaim writes it to swap. */
void barium_put_dirty_page(struct page *page)
{
	folio_mark_dirty(page_folio(page));
	put_page(page);
}

/*
 * Lets reclaim swap out the pages of a shmem file, including those that it has put on the list of
 * unevictable pages.
 */
void barium_shmem_make_evictable(struct file *file)
{
	struct folio_batch batch;
	pgoff_t index = 0;

	mapping_clear_unevictable(file->f_mapping);
	folio_batch_init(&batch);
	while (filemap_get_folios(file->f_mapping, &index, ULONG_MAX, &batch)) {
		check_move_unevictable_folios(&batch);
		folio_batch_release(&batch);
		cond_resched();
	}
}

/* Returns true if the kernel has free swap. */
bool barium_has_swap(void)
{
	return get_nr_swap_pages() > 0;
}

/* Frees all pages of a shmem file, including those in swap. */
void barium_shmem_discard(struct file *file)
{
	shmem_truncate_range(file_inode(file), 0, (loff_t)-1);
}

/*
 * Returns true if the allocation that runs a shrinker has __GFP_FS, so that the shrinker may take
 * locks under which other threads allocate without it.
 */
bool barium_may_shrink(const struct shrink_control *control)
{
	return control->gfp_mask & __GFP_FS;
}

/*
 * Tells lockdep that a shrinker runs in reclaim. The memory manager does not tell it when
 * /proc/sys/vm/drop_caches runs the shrinker.
 */
void barium_shrink_begin(const struct shrink_control *control)
{
	fs_reclaim_acquire(control->gfp_mask);
}

void barium_shrink_end(const struct shrink_control *control)
{
	fs_reclaim_release(control->gfp_mask);
}

unsigned int barium_nofs_save(void)
{
	return memalloc_nofs_save();
}

void barium_nofs_restore(unsigned int flags)
{
	memalloc_nofs_restore(flags);
}

/* Keeps fork() from copying entries to @vma, a new VMA of the child. */
void barium_wipe_on_fork(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_WIPEONFORK);
}

/*
 * Installs the page table that the memory manager has preallocated for @vmf, if the PMD is
 * empty. Equivalent to pmd_install(), which is not exported to modules.
 */
static void barium_install_table(struct vm_fault *vmf)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	spinlock_t *ptl = pmd_lock(mm, vmf->pmd);

	if (pmd_none(*vmf->pmd)) {
		mm_inc_nr_ptes(mm);
		/* A lockless walker that sees the table must see that it is empty. */
		smp_wmb();
		pmd_populate(mm, vmf->pmd, vmf->prealloc_pte);
		vmf->prealloc_pte = NULL;
	}
	spin_unlock(ptl);
}

/* Returns true if a page table exists for @vmf. It is not freed while the fault is served. */
bool barium_has_table(const struct vm_fault *vmf)
{
	pmd_t pmd = pmdp_get_lockless(vmf->pmd);

	return !pmd_none(pmd) && !pmd_leaf(pmd);
}

/*
 * Returns true if a small or huge entry maps @address, which is in the VMA of @vmf, a fault
 * being served. Returns false if @address is in another PMD table than the fault. Takes no lock,
 * so the result may be out of date.
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
 * Returns true if the page @distance pages after (before, if negative) that of @vmf is mapped.
 * The fault is being served, its page has just been mapped in a page table, and the other page
 * is in the same VMA.
 */
bool barium_is_mapped_beside(const struct vm_fault *vmf, long distance)
{
	long index = (long)pte_index(vmf->address) + distance;

	if (index >= 0 && index < PTRS_PER_PTE)
		return !pte_none(READ_ONCE(pte_offset_kernel(vmf->pmd, 0)[index]));
	return barium_is_mapped(vmf, vmf->address + distance * PAGE_SIZE);
}

/*
 * Returns true if mprotect() gives an entry with protection @from the memory type of @to, which
 * has the same access rights, as on arm64 and riscv. x86 keeps the memory type of an entry.
 * (Modules cannot call its pte_modify(), which reads cc_mask.)
 */
bool barium_mprotect_changes_type(pgprot_t from, pgprot_t to)
{
#ifdef CONFIG_X86
	return false;
#else
	pte_t entry = pfn_pte(0, from);

	return pte_val(pte_modify(entry, to)) != pte_val(pte_modify(entry, from));
#endif
}

/*
 * Removes the entries of @vma between @start and @end. No fault inserts new ones until the mmap
 * lock is released, which the caller holds for writing.
 */
void barium_zap_until_unlock(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	vma_start_write(vma);
	zap_special_vma_range(vma, start, end - start);
}

/*
 * True if all CPUs set the dirty bit of an entry themselves. On other architectures, there are CPUs
 * on which the first write to a page with a clean entry faults. Nothing reads the dirty bit of a
 * special entry, so all entries get it from the start there.
 */
#define BARIUM_CPU_SETS_DIRTY IS_ENABLED(CONFIG_X86)

static vm_fault_t barium_insert_in_table(struct vm_fault *vmf, unsigned long pfn, pgprot_t prot)
{
	if (!barium_has_table(vmf))
		return 0;
	if (!BARIUM_CPU_SETS_DIRTY)
		prot = pte_pgprot(pte_mkdirty(pfn_pte(0, prot)));
	return vmf_insert_pfn_prot(vmf->vma, vmf->address, pfn, prot);
}

/* Not inlined, so that only the first fault in a page table saves registers. */
static noinline vm_fault_t barium_insert_in_new_table(struct vm_fault *vmf, unsigned long pfn,
						      pgprot_t prot)
{
	barium_install_table(vmf);
	return barium_insert_in_table(vmf, pfn, prot);
}

/*
 * Inserts @pfn for the fault @vmf, as vmf_insert_pfn_prot() does. No write to it faults if @prot
 * allows writes.
 *
 * Returns 0, which vmf_insert_pfn_prot() never does, if a huge PMD was installed concurrently. Also
 * returns 0 if the PMD is empty and @vmf has no preallocated page table, because the memory manager
 * saw a huge PMD that has been removed since: another fault could install a huge PMD before
 * vmf_insert_pfn_prot() allocates a page table, and that function does not handle a huge PMD.
 */
vm_fault_t barium_insert_pfn(struct vm_fault *vmf, unsigned long pfn, pgprot_t prot)
{
	if (vmf->prealloc_pte)
		return barium_insert_in_new_table(vmf, pfn, prot);
	return barium_insert_in_table(vmf, pfn, prot);
}

/* Returns the protection of entries beside @entry, which barium_insert_pfn() has installed. */
static pgprot_t barium_prot_beside(pte_t entry)
{
	return pte_pgprot(BARIUM_CPU_SETS_DIRTY ? pte_mkclean(entry) : entry);
}

/*
 * Installs @entry, a special one, where no entry is. Equivalent to set_pte_at(), which modules
 * cannot call on arm64 and on riscv: for tagged memory (arm64) and for executable memory (riscv),
 * it calls functions that are not exported. A special entry maps neither.
 */
static void barium_set_pte(struct vm_area_struct *vma, unsigned long address, pte_t *ptep,
			   pte_t entry)
{
	page_table_check_ptes_set(vma->vm_mm, address, ptep, entry, 1);
	set_pte(ptep, entry);
	update_mmu_cache(vma, address, ptep);
}

/*
 * Inserts copies of the entry that the fault @vmf has just installed for @pfn: for the @before
 * PFNs before @pfn and the @after PFNs after it, except where an entry exists. All these entries
 * must be in one page table and in the VMA.
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
	entry = pte_mkspecial(pfn_pte(pfn - before, barium_prot_beside(entry)));
	for (; pages; pages--, ptep++, address += PAGE_SIZE, entry = pte_next_pfn(entry)) {
		if (!pte_none(ptep_get(ptep)))
			continue;
		barium_set_pte(vmf->vma, address, ptep, entry);
	}
unlock:
	spin_unlock(ptl);
}

/*
 * Inserts entries with the attributes of the one that the fault @vmf has just installed for the
 * page in @slot: for the pages in the @before slots before it and in the @after slots after it,
 * except where a slot is empty or an entry exists. All these entries must be in one page table and
 * in the VMA. The pages must be system memory, as @slot's page is.
 */
void barium_map_neighbour_pages(struct vm_fault *vmf, struct page *const *slot,
				unsigned long before, unsigned long after)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	unsigned long address = vmf->address & PAGE_MASK;
	pte_t *ptep = pte_offset_kernel(vmf->pmd, address);
	spinlock_t *ptl = pte_lockptr(mm, vmf->pmd);
	unsigned long pages = before + 1 + after;
	struct page *page = *slot, *next;
	pgprot_t prot;
	pte_t entry;

	spin_lock(ptl);
	entry = ptep_get(ptep);
	if (!pte_present(entry) || pte_pfn(entry) != page_to_pfn(page))
		goto unlock;

	prot = barium_prot_beside(entry);
	entry = pte_mkspecial(pfn_pte(page_to_pfn(page), prot));
	ptep -= before;
	slot -= before;
	address -= before << PAGE_SHIFT;
	for (; pages; pages--, ptep++, slot++, address += PAGE_SIZE) {
		next = READ_ONCE(*slot);
		if (!next || !pte_none(ptep_get(ptep)))
			continue;
		/* Most pages follow their predecessor in memory as well. */
		entry = next == page + 1 ? pte_next_pfn(entry) :
			pte_mkspecial(pfn_pte(page_to_pfn(next), prot));
		page = next;
		barium_set_pte(vmf->vma, address, ptep, entry);
	}
unlock:
	spin_unlock(ptl);
}

#if defined(CONFIG_TRANSPARENT_HUGEPAGE) && defined(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP)
/*
 * Inserts copies of the huge entry that the fault @vmf has just installed for @pfn: for the @before
 * huge pages before it and the @after ones after it, except where an entry or a page table exists.
 * All these entries must be in one PMD table and in the VMA.
 */
void barium_map_huge_neighbours(struct vm_fault *vmf, unsigned long pfn, unsigned long before,
				unsigned long after)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	unsigned long address = vmf->address & PMD_MASK;
	unsigned long pages = before + 1 + after;
	pmd_t *pmdp = vmf->pmd;
	spinlock_t *ptl = pmd_lock(mm, pmdp);
	pmd_t entry = pmdp_get(pmdp);
	pgprot_t prot;

	if (!pmd_present(entry) || !pmd_leaf(entry) || pmd_pfn(entry) != pfn)
		goto unlock;
	/* Each huge entry would need a page table of its own, for the case that it is split. */
	if (arch_needs_pgtable_deposit())
		goto unlock;

	prot = pmd_pgprot(BARIUM_CPU_SETS_DIRTY ? pmd_mkclean(entry) : pmd_mkdirty(entry));
	pmdp -= before;
	address -= before << PMD_SHIFT;
	pfn -= before << (PMD_SHIFT - PAGE_SHIFT);
	for (; pages; pages--, pmdp++, address += PMD_SIZE, pfn += PMD_SIZE >> PAGE_SHIFT) {
		if (!pmd_none(pmdp_get(pmdp)))
			continue;
		/* Not set_pmd_at(), for the reason given at barium_set_pte(). */
		entry = pmd_mkspecial(pmd_mkhuge(pfn_pmd(pfn, prot)));
		page_table_check_pmds_set(mm, address, pmdp, entry, 1);
		set_pmd(pmdp, entry);
		update_mmu_cache_pmd(vmf->vma, address, pmdp);
	}
unlock:
	spin_unlock(ptl);
}
#endif

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

/*
 * Returns the object of @dev with the lowest fake offset that is not below @start, in pages, with a
 * reference. Skips objects that are being freed. Returns NULL if there is no such object.
 */
struct drm_gem_object *barium_gem_object_from(struct drm_device *dev, unsigned long start)
{
	struct drm_vma_offset_manager *mgr = dev->vma_offset_manager;
	struct drm_mm *mm = &mgr->vm_addr_space_mm;
	struct drm_gem_object *obj, *found = NULL;
	struct drm_mm_node *node;

	drm_vma_offset_lock_lookup(mgr);
	/* The head of the list is a node that starts where the manager's range ends. */
	drm_mm_for_each_node_in_range(node, mm, start, mm->head_node.start) {
		obj = container_of(node, struct drm_gem_object, vma_node.vm_node);
		if (node->start >= start && kref_get_unless_zero(&obj->refcount)) {
			found = obj;
			break;
		}
	}
	drm_vma_offset_unlock_lookup(mgr);
	return found;
}

/* Like drm_atomic_helper_shutdown(), but returns the error. */
int barium_atomic_shutdown(struct drm_device *dev)
{
	struct drm_modeset_acquire_ctx ctx;
	int ret;

	DRM_MODESET_LOCK_ALL_BEGIN(dev, ctx, 0, ret);
	ret = drm_atomic_helper_disable_all(dev, &ctx);
	DRM_MODESET_LOCK_ALL_END(dev, ctx, ret);
	return ret;
}

void barium_atomic_commit_put(struct drm_atomic_commit *commit)
{
	drm_atomic_commit_put(commit);
}

int barium_remove_firmware_fb(struct pci_dev *pdev, const char *name)
{
	return aperture_remove_conflicting_pci_devices(pdev, name);
}

int barium_mmap_read_lock_killable(struct mm_struct *mm)
{
	return mmap_read_lock_killable(mm);
}

bool barium_mmap_lock_is_contended(struct mm_struct *mm)
{
	return mmap_lock_is_contended(mm);
}

/*
 * Returns the number of pages that are mapped without a gap from @found->address on, at most
 * @max. The entries of @max pages must be in one page table. @found is the result of
 * follow_pfnmap_start(), which has taken the lock of that table.
 */
unsigned long barium_count_mapped(const struct follow_pfnmap_args *found, unsigned long max)
{
	unsigned long pages = 1;

	if (!found->ptep)
		return max;
	while (pages < max && pte_present(ptep_get(found->ptep + pages)))
		pages++;
	return pages;
}

void barium_device_lock(struct device *dev)
{
	device_lock(dev);
}

void barium_device_unlock(struct device *dev)
{
	device_unlock(dev);
}

/* Copies the name of the current task, with a NUL at the end. */
void barium_current_comm(char (*name)[TASK_COMM_LEN])
{
	get_task_comm(*name, current);
}

/* Returns true at most 10 times in 5 s. Does not log how often it returned false. */
bool barium_may_log(void)
{
	static struct ratelimit_state limit =
		RATELIMIT_STATE_INIT_FLAGS(limit, DEFAULT_RATELIMIT_INTERVAL,
					   DEFAULT_RATELIMIT_BURST, RATELIMIT_MSG_ON_RELEASE);

	return __ratelimit(&limit);
}

/* The owner of a dmem region. Its callback is Rust code, which casts the pointers. */
struct barium_dmem_owner {
	int (*reclaim)(void *pool, u64 bytes, const void *owner);
};

static int barium_dmem_reclaim(struct dmem_cgroup_pool_state *pool, u64 bytes, void *priv)
{
	const struct barium_dmem_owner *owner = priv;

	return owner->reclaim(pool, bytes, owner);
}

static const struct dmem_cgroup_ops barium_dmem_ops = {
	.reclaim = barium_dmem_reclaim,
};

/*
 * Registers a dmem region of @size bytes, not 0. Returns NULL in a kernel without the controller,
 * and an error pointer on failure.
 */
struct dmem_cgroup_region *barium_dmem_register(struct drm_device *dev, const char *name, u64 size,
						struct barium_dmem_owner *owner)
{
	const struct dmem_cgroup_init init = {
		.size = size,
		.ops = &barium_dmem_ops,
		.reclaim_priv = owner,
	};

	return dmem_cgroup_register_region(&init, "drm/%s/%s", dev->unique, name);
}

void barium_dmem_unregister(struct dmem_cgroup_region *region)
{
	dmem_cgroup_unregister_region(region);
}

int barium_dmem_try_charge(struct dmem_cgroup_region *region, u64 size,
			   struct dmem_cgroup_pool_state **pool,
			   struct dmem_cgroup_pool_state **limit)
{
	return dmem_cgroup_try_charge(region, size, pool, limit);
}

void barium_dmem_uncharge(struct dmem_cgroup_pool_state *pool, u64 size)
{
	dmem_cgroup_uncharge(pool, size);
}

void barium_dmem_put(struct dmem_cgroup_pool_state *pool)
{
	dmem_cgroup_pool_state_put(pool);
}

bool barium_dmem_evict_valuable(struct dmem_cgroup_pool_state *limit,
				struct dmem_cgroup_pool_state *pool, bool *hit_low)
{
	return dmem_cgroup_state_evict_valuable(limit, pool, false, hit_low);
}

struct dmem_cgroup_pool_state *barium_dmem_common_ancestor(struct dmem_cgroup_pool_state *a,
							   struct dmem_cgroup_pool_state *b)
{
	return dmem_cgroup_get_common_ancestor(a, b);
}

bool barium_dmem_below_min(struct dmem_cgroup_pool_state *root,
			   struct dmem_cgroup_pool_state *pool)
{
	return dmem_cgroup_below_min(root, pool);
}

bool barium_dmem_below_low(struct dmem_cgroup_pool_state *root,
			   struct dmem_cgroup_pool_state *pool)
{
	return dmem_cgroup_below_low(root, pool);
}

/* Prints the time of the CPU's copies for a client, in the form of drm-usage-stats.rst. */
void barium_print_copy_time(struct drm_printer *printer, u64 ns)
{
	drm_printf(printer, "drm-engine-copy:\t%llu ns\n", ns);
}

#if IS_MODULE(CONFIG_DRM)
/*
 * Helpers of kernel::drm. A kernel exports them only if DRM is built in. Where DRM is a module,
 * this module is compiled with kernel::drm in it (tools/rust-metadata) and brings them along.
 */
void rust_helper_drm_gem_object_get(struct drm_gem_object *obj)
{
	drm_gem_object_get(obj);
}

void rust_helper_drm_gem_object_put(struct drm_gem_object *obj)
{
	drm_gem_object_put(obj);
}

__u64 rust_helper_drm_vma_node_offset_addr(struct drm_vma_offset_node *node)
{
	return drm_vma_node_offset_addr(node);
}
#endif
