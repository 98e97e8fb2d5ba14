// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of tracepoints; see barium_lib_trace.h.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_trace.h"

#define TRACEFS "/sys/kernel/tracing"
#define TRACE TRACEFS "/instances/barium_trace"

/* Writes @value, 0 or 1, to the file that enables @event. Returns false if it cannot. */
static bool set_event(const char *event, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), TRACE "/events/%s/enable", event);
	return !__barium_write_file(path, value);
}

static void end_trace(int sig)
{
	(void)sig;
	set_event("barium", "0");
	rmdir(TRACE);
}

void barium_begin_trace(void)
{
	/* Fails if tracefs is mounted already. */
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	rmdir(TRACE);
	igt_require_f(!mkdir(TRACE, 0700), "the kernel has no tracefs instances\n");
	igt_install_exit_handler(end_trace);
	igt_require_f(!access(TRACE "/events/sched", F_OK), "the kernel has no tracepoints\n");
}

void barium_trace_event(const char *event)
{
	igt_assert(set_event(event, "1"));
}

void barium_clear_trace(void)
{
	FILE *trace = fopen(TRACE "/trace", "w");

	igt_assert(trace);
	fclose(trace);
}

FILE *barium_open_trace(void)
{
	FILE *trace = fopen(TRACE "/trace", "r");

	igt_assert(trace);
	return trace;
}

/* Returns the thread of a line: "comm-TID [CPU] ...". The name may have a dash, too. */
static pid_t thread_of(const char *line)
{
	const char *end = strstr(line, " [");

	if (!end)
		return 0;
	while (end > line && end[-1] == ' ')
		end--;
	while (end > line && isdigit((unsigned char)end[-1]))
		end--;
	return atoi(end);
}

__u64 barium_pages_moved_by(pid_t tid)
{
	FILE *trace = barium_open_trace();
	char line[512], *start;
	__u64 sum = 0;

	while (fgets(line, sizeof(line), trace)) {
		start = strstr(line, ": barium_move_");
		if (line[0] == '#' || !start || thread_of(line) != tid)
			continue;
		start = strstr(start, " moved=");
		igt_assert(start);
		sum += strtoull(start + strlen(" moved="), NULL, 10);
	}
	fclose(trace);
	return sum;
}
