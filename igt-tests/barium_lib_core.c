// SPDX-License-Identifier: MIT
/*
 * Helper for tests of core dumps; see barium_lib_core.h.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "igt.h"
#include "barium_lib_core.h"

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"

/* The directory and the coredump_filter of a child. */
struct dump {
	const char *dir;
	unsigned int filter;
};

static void set_core_pattern(const char *text)
{
	FILE *file = fopen(CORE_PATTERN, "w");

	igt_require_f(file, "cannot write %s\n", CORE_PATTERN);
	fputs(text, file);
	igt_require_f(!fclose(file), "cannot write %s\n", CORE_PATTERN);
}

static void abort_with_dump(void *data)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	FILE *filter = fopen("/proc/self/coredump_filter", "w");
	struct dump *dump = data;

	if (!filter || fprintf(filter, "%#x", dump->filter) < 0 || fclose(filter))
		_exit(1);
	if (chdir(dump->dir) || setrlimit(RLIMIT_CORE, &limit))
		_exit(1);
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
}

FILE *barium_dump_core(unsigned int filter)
{
	char dir[] = "/tmp/barium-core-XXXXXX", path[64], pattern[128] = "";
	struct dump dump = { .dir = dir, .filter = filter };
	FILE *old = fopen(CORE_PATTERN, "r"), *core;
	int status;

	igt_require_f(old && fgets(pattern, sizeof(pattern), old), "no core dumps\n");
	fclose(old);
	igt_assert(mkdtemp(dir));
	set_core_pattern("core");
	status = barium_in_child(abort_with_dump, &dump);
	set_core_pattern(pattern);

	snprintf(path, sizeof(path), "%s/core", dir);
	core = fopen(path, "r");
	unlink(path);
	rmdir(dir);
	igt_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && WCOREDUMP(status));
	igt_assert_f(core, "%s does not exist\n", path);
	return core;
}
