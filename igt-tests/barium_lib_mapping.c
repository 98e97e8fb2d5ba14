// SPDX-License-Identifier: MIT
/*
 * Helpers that read the state of a mapping; see barium_lib_mapping.h.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_mapping.h"

/* The size of a buffer for a line of these files. */
#define LINE_LEN 512

__u64 barium_size_of(const char *value)
{
	char *unit;
	__u64 size = strtoull(value, &unit, 10);

	if (!strcmp(unit, " KiB\n"))
		size <<= 10;
	else if (!strcmp(unit, " MiB\n"))
		size <<= 20;
	else
		igt_assert_f(!strcmp(unit, "\n"), "the unit is %s\n", unit);
	return size;
}

/* Stores the value of a key in the fdinfo of an open node. Returns false if the key is missing. */
static bool read_fdinfo(int fd, const char *key, char value[static LINE_LEN])
{
	char path[64], line[LINE_LEN];
	size_t len = strlen(key);
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	igt_assert(file);
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, len) && !strncmp(line + len, ":\t", 2)) {
			snprintf(value, LINE_LEN, "%s", line + len + 2);
			found = true;
		}
	}
	fclose(file);
	return found;
}

__u64 barium_client_bytes(int fd, const char *key)
{
	char value[LINE_LEN];

	return read_fdinfo(fd, key, value) ? barium_size_of(value) : UINT64_MAX;
}

__u64 barium_copy_time(int fd)
{
	char value[LINE_LEN], *unit;
	__u64 ns;

	igt_assert(read_fdinfo(fd, "drm-engine-copy", value));
	ns = strtoull(value, &unit, 10);
	igt_assert_f(!strcmp(unit, " ns\n"), "the unit is %s\n", unit);
	return ns;
}

__u64 barium_in_vram(int fd)
{
	return barium_client_bytes(fd, "drm-resident-vram");
}

__u64 barium_in_memory(int fd)
{
	return barium_client_bytes(fd, "drm-resident-memory");
}

__u64 barium_meminfo(const char *key)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long long kib;
	bool found = false;
	char name[64];

	igt_assert(file);
	while (!found && fscanf(file, "%63[^:]: %llu%*[^\n]\n", name, &kib) == 2)
		found = !strcmp(name, key);
	fclose(file);
	igt_assert(found);
	return kib << 10;
}

void barium_move_out(int fd)
{
	__u64 size = barium_vram_size(fd);
	int other = barium_reopen(fd, O_RDWR);
	__u32 handle;

	igt_assert_eq(__barium_gem_create(other, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	igt_assert_eq_u64(barium_in_vram(other), size);
	close(other);
}

void barium_shrink(void)
{
	static const char path[] = "/proc/sys/vm/drop_caches";

	igt_assert_eq(__barium_write_file(path, "4"), 0);
	igt_assert_eq(__barium_write_file(path, "2"), 0);
}

void *barium_map_times(int fd, const struct barium_bo *bo, size_t times)
{
	size_t at, size = times * bo->size;
	__u8 *area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			  0);

	if (area == MAP_FAILED)
		return NULL;
	for (at = 0; at < size; at += bo->size) {
		if (mmap(area + at, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			 bo->offset) != area + at)
			return NULL;
	}
	return area;
}

FILE *barium_debugfs(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", name);
	return fopen(path, "r");
}

/* Stores VmFlags of the VMA at @addr in @flags, with a space before and after each flag. */
static void vm_flags(const void *addr, char flags[static LINE_LEN])
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	bool inside = false;
	char line[LINE_LEN];

	igt_assert(smaps);
	*flags = '\0';
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (uintptr_t)addr && (uintptr_t)addr < end;
		else if (inside && !strncmp(line, "VmFlags:", 8))
			snprintf(flags, LINE_LEN, "%s", line + 8);
	}
	fclose(smaps);

	igt_assert_f(*flags, "no mapping at %p\n", addr);
	flags[strcspn(flags, "\n")] = '\0';
}

void barium_check_vm_flags(const void *addr)
{
	static const char * const wanted[] = { " sh ", " pf ", " io ", " de ", " dd " };
	char flags[LINE_LEN];
	size_t i;

	vm_flags(addr, flags);
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		igt_assert_f(strstr(flags, wanted[i]), "no%sin VmFlags%s\n", wanted[i], flags);
	igt_assert_f(!strstr(flags, " ht ") && !strstr(flags, " mm "), "VmFlags%s\n", flags);
}

bool barium_has_vm_flag(const void *addr, const char *flag)
{
	char flags[LINE_LEN], wanted[8];

	vm_flags(addr, flags);
	snprintf(wanted, sizeof(wanted), " %s ", flag);
	return strstr(flags, wanted);
}

#define ENTRY_DEVICE "/dev/barium_entry"

void barium_require_entries(void)
{
	igt_require_f(!access(ENTRY_DEVICE, R_OK), "no %s: test-module is not loaded\n",
		      ENTRY_DEVICE);
}

/*
 * Checks @entry with the kernel's own page table dump. x86 only has one that includes the user half
 * of the address space.
 */
static void check_with_dump(const struct barium_entry *entry)
{
	FILE *dump = barium_debugfs("page_tables/current_kernel");
	bool pwt, pcd, found = false;
	unsigned long start, end;
	char line[LINE_LEN];

	if (!dump)
		return;
	while (!found && fgets(line, sizeof(line), dump))
		found = sscanf(line, "0x%lx-0x%lx", &start, &end) == 2 &&
			start <= entry->address && entry->address < end;
	fclose(dump);
	igt_assert_f(found, "the page table dump does not cover %#llx\n",
		     (unsigned long long)entry->address);

	/* PWT and PCD are the low bits of the PAT index. Linux has write-combining at index 1. */
	pwt = strstr(line, " PWT ");
	pcd = strstr(line, " PCD ");
	igt_assert_f(strstr(line, " USR "), "the kernel dumps %s", line);
	igt_assert_f(pcd == (entry->type == BARIUM_ENTRY_UNCACHED) &&
		     (pwt && !pcd) == (entry->type == BARIUM_ENTRY_WRITE_COMBINING),
		     "the entry is of type %u, the kernel dumps %s", entry->type, line);
	igt_assert_f(!strstr(line, " RW ") == !(entry->flags & BARIUM_ENTRY_WRITABLE),
		     "the entry has flags %#x, the kernel dumps %s", entry->flags, line);
	igt_assert_f(!strstr(line, " PSE ") == (entry->size == barium_page_size()),
		     "the entry maps %#llx bytes, the kernel dumps %s",
		     (unsigned long long)entry->size, line);
}

void barium_find_entry(const void *addr, struct barium_entry *entry)
{
	int fd;

	barium_require_entries();
	fd = open(ENTRY_DEVICE, O_RDONLY | O_CLOEXEC);
	igt_assert_lte(0, fd);
	*entry = (struct barium_entry){ .address = (uintptr_t)addr };
	igt_assert_eq(ioctl(fd, BARIUM_ENTRY_FIND, entry), 0);
	close(fd);
	igt_assert_f(entry->size, "%p has no page table entry\n", addr);
	check_with_dump(entry);
}

static __u32 type_of(const void *addr)
{
	struct barium_entry entry;

	barium_find_entry(addr, &entry);
	igt_require_f(entry.type != BARIUM_ENTRY_BY_ADDRESS,
		      "entries have no memory type on this machine\n");
	return entry.type;
}

bool barium_is_write_combining(const void *addr)
{
	return type_of(addr) == BARIUM_ENTRY_WRITE_COMBINING;
}

void barium_check_write_combining(const void *addr)
{
	igt_assert_eq_u32(type_of(addr), BARIUM_ENTRY_WRITE_COMBINING);
}

void barium_check_cached(const void *addr)
{
	igt_assert_eq_u32(type_of(addr), BARIUM_ENTRY_CACHED);
}
