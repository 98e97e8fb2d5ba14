// SPDX-License-Identifier: MIT
/*
 * Helpers that read the state of a mapping; see barium_lib_mapping.h.
 */
#include <limits.h>
#include <stdlib.h>

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

__u64 barium_client_bytes(int fd, const char *key)
{
	__u64 bytes = UINT64_MAX;
	char path[64], line[256];
	size_t len = strlen(key);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	igt_assert(file);
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, len) && !strncmp(line + len, ":\t", 2))
			bytes = barium_size_of(line + len + 2);
	}
	fclose(file);
	return bytes;
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

void barium_require_page_table_dump(void)
{
	FILE *dump = barium_debugfs("page_tables/current_kernel");

	igt_require_f(dump, "the kernel has no page table dump\n");
	fclose(dump);
}

void barium_page_table_entry(const void *addr, char *entry, size_t length)
{
	FILE *dump = barium_debugfs("page_tables/current_kernel");
	unsigned long start, end;
	char line[LINE_LEN];
	int rest;

	igt_require_f(dump, "the kernel has no page table dump\n");

	*entry = '\0';
	while (!*entry && fgets(line, sizeof(line), dump)) {
		if (sscanf(line, "0x%lx-0x%lx%n", &start, &end, &rest) == 2 &&
		    start <= (uintptr_t)addr && (uintptr_t)addr < end)
			snprintf(entry, length, "%s", line + rest);
	}
	fclose(dump);

	igt_assert_f(*entry, "the page table dump does not cover %p\n", addr);
	entry[strcspn(entry, "\n")] = '\0';
}

/* PWT and PCD are the low bits of the PAT index. Linux stores write-combining at index 1. */
static bool is_write_combining(const char *entry)
{
	return strstr(entry, " PWT ") && !strstr(entry, " PCD ");
}

bool barium_is_write_combining(const void *addr)
{
	char entry[LINE_LEN];

	barium_page_table_entry(addr, entry, sizeof(entry));
	return is_write_combining(entry);
}

void barium_check_write_combining(const void *addr)
{
	char entry[LINE_LEN];

	barium_page_table_entry(addr, entry, sizeof(entry));
	igt_assert_f(strstr(entry, " USR ") && is_write_combining(entry),
		     "the page table entry is%s\n", entry);
}
