// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of fault injection; see barium_lib_nth.h.
 *
 * /proc/PID/task/TID/fail-nth holds a number that the kernel decrements at each allocation of the
 * task. The allocation that decrements it to 0 fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_nth.h"
#include "barium_lib_unplug.h"

#define DEBUGFS "/sys/kernel/debug/"
/* The maximum number of repetitions; no call has so many allocations. */
#define MAX_REPETITIONS 50000

/*
 * Linux 7.3 crashes if an allocation in this function fails, with any driver:
 * drm_minor_alloc_release() passes an error pointer to put_device().
 */
#define CRASHING_FUNCTION "drm_sysfs_minor_alloc"

static const char * const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };

static int counter = -1;

static bool write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (file < 0)
		return false;
	done = write(file, text, strlen(text)) == (ssize_t)strlen(text);
	close(file);
	return done;
}

static bool set_knob(const char *kind, const char *knob, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", kind, knob);
	return write_text(path, value);
}

static void stop_failing(int sig)
{
	(void)sig;
	set_knob("fail_page_alloc", "probability", "0");
	set_knob("failslab", "probability", "0");
}

/* The start address of a function, and the end address, which is exclusive. */
struct text {
	unsigned long start;
	unsigned long end;
};

static struct text find_text(const char *function)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	struct text text = {};
	unsigned long address;
	char name[512], line[600];

	igt_assert(symbols);
	while (text.end <= text.start && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %*c %511s", &address, name) != 2)
			continue;
		if (!text.start && !strcmp(name, function))
			text.start = address;
		else if (text.start)
			text.end = address;
	}
	fclose(symbols);
	igt_assert_f(text.start && text.end > text.start, "the kernel has no %s()\n", function);
	return text;
}

/* Restricts faults to callers in @text (@which is "require"), or to others ("reject"). */
static bool set_callers(const char *which, struct text text)
{
	char knob[32], value[32];
	bool done = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(knob, sizeof(knob), "%s-start", which);
		snprintf(value, sizeof(value), "%#lx", text.start);
		done &= set_knob(kinds[i], knob, value);
		snprintf(knob, sizeof(knob), "%s-end", which);
		snprintf(value, sizeof(value), "%#lx", text.end);
		done &= set_knob(kinds[i], knob, value);
	}
	return done;
}

void barium_nth_init(void)
{
	static const struct text anywhere = { .end = ULONG_MAX };
	size_t i;

	if (counter < 0)
		counter = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	igt_require_f(counter >= 0, "the kernel has no fault injection\n");

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		igt_require_f(set_knob(kinds[i], "verbose", "0"), "the kernel has no %s\n",
			      kinds[i]);
		igt_assert(set_knob(kinds[i], "probability", "0"));
		igt_assert(set_knob(kinds[i], "times", "-1"));
		igt_assert(set_knob(kinds[i], "task-filter", "1"));
	}
	igt_assert(set_knob("failslab", "cache-filter", "0"));
	/* Includes allocations that may sleep and those of order 0, which the driver makes. */
	igt_assert(set_knob("failslab", "ignore-gfp-wait", "0"));
	igt_assert(set_knob("fail_page_alloc", "ignore-gfp-wait", "0"));
	igt_assert(set_knob("fail_page_alloc", "ignore-gfp-highmem", "0"));
	igt_assert(set_knob("fail_page_alloc", "min-order", "0"));
	igt_assert(set_callers("require", anywhere));
	igt_assert(set_callers("reject", find_text(CRASHING_FUNCTION)));
	igt_install_exit_handler(stop_failing);
}

static void count_only(const char *cache)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/failslab", cache);
	igt_assert(write_text(path, "1"));
	igt_assert(set_knob("failslab", "cache-filter", "1"));
	/* No page has this order, so no page allocation fails. */
	igt_assert(set_knob("fail_page_alloc", "min-order", "20"));
}

void barium_fail_pages(bool fail)
{
	igt_assert(set_knob("fail_page_alloc", "probability", fail ? "100" : "0"));
}

static void arm(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	igt_assert_eq(pwrite(counter, text, len, 0), len);
}

/* Returns true if an allocation failed. Accesses to the file itself are counted, too. */
static bool disarm(void)
{
	char text[16] = {};
	bool fired = pread(counter, text, sizeof(text) - 1, 0) > 0 && !atoi(text);
	int tries = 0;

	while (pwrite(counter, "0", 1, 0) != 1)
		igt_assert_lt(tries++, 2);
	return fired;
}

struct tally {
	unsigned int failed;
	unsigned int no_memory;
	unsigned int fault;
	unsigned int other;
};

static void count(struct tally *tally, int err)
{
	tally->failed++;
	if (err == -ENOMEM)
		tally->no_memory++;
	else if (err == -EFAULT)
		tally->fault++;
	else if (err)
		tally->other++;
}

static bool is_full(void)
{
	return getenv("BARIUM_FAULT_FULL");
}

static unsigned int stride_of(const struct barium_nth_call *call)
{
	return (is_full() ? call->full_stride : call->stride) ?: 1;
}

/* Makes one repetition. Returns true if the call reached allocation @nth, which failed. */
static bool repeat(int fd, const struct barium_nth_call *call, unsigned int nth,
		   struct tally *tally)
{
	struct barium_scene scene = { .fd = -1, .other = -1, .buf = -1 };
	bool fired;
	int err;

	if (!call->no_client)
		scene.fd = barium_reopen(fd, O_RDWR);
	if (call->prepare)
		call->prepare(&scene);

	arm(nth);
	err = call->call(&scene);
	fired = disarm();

	igt_assert_f(fired || !err, "error %d without an injected fault\n", err);
	if (fired)
		count(tally, err);
	if (err) {
		igt_assert_f(err == -ENOMEM || err == -EFAULT || err == -call->also ||
			     call->any_error,
			     "error %d when allocation %u fails\n", err, nth);
		igt_assert_eq(call->call(&scene), 0);
	}
	if (call->check)
		call->check(&scene);
	if (call->finish)
		call->finish(&scene);
	close(scene.buf);
	close(scene.other);
	close(scene.fd);
	return fired;
}

void barium_nth_run(int fd, const struct barium_nth_call *call)
{
	__u64 before = call->no_client ? 0 : barium_vram_available(fd);
	unsigned int nth, stride = stride_of(call);
	struct tally tally = {}, none = {};
	unsigned int last = 0;
	bool fired = true;

	barium_nth_init();
	if (call->cache)
		count_only(call->cache);
	if (call->within)
		igt_assert(set_callers("require", find_text(call->within)));
	if (call->before)
		call->before(fd);
	/* The first call may allocate memory that later calls reuse. */
	repeat(fd, call, 0, &none);
	for (nth = 1; fired; nth += stride) {
		igt_assert_lt(nth, MAX_REPETITIONS);
		fired = repeat(fd, call, nth, &tally);
		if (fired)
			last = nth;
		if (!call->no_client)
			igt_assert_eq_u64(barium_vram_available(fd), before);
	}

	if (call->after)
		call->after();
	igt_info("note: %s: %u up to position %u: %u ENOMEM, %u EFAULT, %u other, %u succeeded\n",
		 call->what, tally.failed, last, tally.no_memory, tally.fault, tally.other,
		 tally.failed - tally.no_memory - tally.fault - tally.other);
}
