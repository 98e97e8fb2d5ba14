// SPDX-License-Identifier: MIT
/*
 * Queries the VMA flags and the page table entries of a mapping of this process.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "mapping-info.h"

void mapping_flags(const void *addr, char *flags, size_t length)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	char line[512];
	int inside = 0;

	snprintf(flags, length, "unknown");
	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (uintptr_t)addr && (uintptr_t)addr < end;
		else if (inside && sscanf(line, "VmFlags: %[^\n]", line) == 1)
			snprintf(flags, length, "%s", line);
	}
	if (smaps)
		fclose(smaps);
	flags[strcspn(flags, "\n")] = '\0';
}

const char *mapping_cache_mode(const void *addr)
{
	/* Despite its name, this file includes the user half of the address space. */
	FILE *tables = fopen("/sys/kernel/debug/page_tables/current_kernel", "r");
	const char *mode = "unknown";
	unsigned long start, end;
	char line[512];

	while (tables && fgets(line, sizeof(line), tables)) {
		if (sscanf(line, "0x%lx-0x%lx", &start, &end) != 2 || (uintptr_t)addr < start ||
		    (uintptr_t)addr >= end || !strstr(line, " USR "))
			continue;

		/* Linux programs the PAT such that PWT without PCD selects write-combining. */
		if (strstr(line, " PCD "))
			mode = "uncached";
		else if (strstr(line, " PWT "))
			mode = "write-combining";
		else
			mode = "write-back";
	}
	if (tables)
		fclose(tables);
	return mode;
}
