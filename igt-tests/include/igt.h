/* SPDX-License-Identifier: MIT */
/*
 * The part of IGT's library that the tests in this directory use.
 *
 * Distributions ship libigt without its headers. This file declares the functions of libigt 2.5
 * that the tests call, and the control flow macros on top of them, so that libigt itself handles
 * skips, failures, the list of subtests and their descriptions. An IGT checkout has its own igt.h,
 * which replaces this file.
 */
#ifndef BARIUM_IGT_H
#define BARIUM_IGT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/types.h>

#include <drm.h>

#define __noreturn		__attribute((noreturn))
#define __printf(fmt, first)	__attribute((format(printf, fmt, first)))
#define __weak			__attribute((weak))

struct option;

#define IGT_LOG_DOMAIN		((const char *)NULL)

enum igt_log_level {
	IGT_LOG_DEBUG,
	IGT_LOG_INFO,
	IGT_LOG_WARN,
	IGT_LOG_CRITICAL,
	IGT_LOG_NONE,
};

typedef int (*igt_opt_handler_t)(int opt, int opt_index, void *data);
typedef void (*igt_exit_handler_t)(int sig);
typedef int (*igt_ioctl_fn_t)(int fd, unsigned long request, void *arg);

/* The target of libigt's longjmp() when a fixture or a subtest ends early. */
extern jmp_buf igt_subtest_jmpbuf;

int igt_subtest_init_parse_opts(int *argc, char **argv, const char *short_opts,
				const struct option *long_opts, const char *help,
				igt_opt_handler_t handler, void *data);
__noreturn void igt_exit(void);
void igt_install_exit_handler(igt_exit_handler_t fn);

bool __igt_fixture(void);
void __igt_fixture_complete(void);
bool __igt_run_subtest(const char *name, const char *file, const int line);
void __igt_subtest_group_save(int *skip, int *describe);
void __igt_subtest_group_restore(int skip, int describe);
__printf(1, 2)
void igt_describe_f(const char *fmt, ...);

void igt_success(void);
__noreturn __printf(1, 2)
void igt_skip(const char *fmt, ...);
__noreturn __printf(5, 6)
void __igt_skip_check(const char *file, const int line, const char *func, const char *check,
		      const char *fmt, ...);
__noreturn __printf(6, 7)
void __igt_fail_assert(const char *domain, const char *file, const int line, const char *func,
		       const char *assertion, const char *fmt, ...);
__printf(3, 4)
void igt_log(const char *domain, enum igt_log_level level, const char *fmt, ...);
__printf(1, 2)
void igt_kmsg(const char *fmt, ...);

bool __igt_fork(void);
void igt_waitchildren(void);

/* Calls drmIoctl(), unless a test replaces it. Returns 0, or -1 with errno set. */
extern __thread igt_ioctl_fn_t igt_ioctl;

void gem_close(int fd, __u32 handle);

enum igt_suspend_state {
	SUSPEND_STATE_FREEZE,
	SUSPEND_STATE_STANDBY,
	/* Suspend to RAM. SUSPEND_STATE_MEM selects the state that /sys/power/mem_sleep names. */
	SUSPEND_STATE_S3,
	SUSPEND_STATE_MEM,
	SUSPEND_STATE_DISK,
};

enum igt_suspend_test {
	SUSPEND_TEST_NONE,
	SUSPEND_TEST_FREEZER,
	SUSPEND_TEST_DEVICES,
	SUSPEND_TEST_PLATFORM,
	SUSPEND_TEST_PROCESSORS,
	SUSPEND_TEST_CORE,
};

/* Sets the duration of each following suspend in seconds. */
void igt_set_autoresume_delay(int delay_secs);
/* Suspends the machine, and wakes it up after that time. Skips if that is not supported. */
void igt_system_suspend_autoresume(enum igt_suspend_state state, enum igt_suspend_test test);

/* Skips if the kernel has no fences that user space signals (CONFIG_SW_SYNC). */
void igt_require_sw_sync(void);
/* Return a file descriptor. The fence signals once the timeline has counted to @seqno. */
int sw_sync_timeline_create(void);
int sw_sync_timeline_create_fence(int timeline, uint32_t seqno);
void sw_sync_timeline_inc(int timeline, uint32_t count);
/* Adds a fence to a dma-buf, as one of the writers (DMA_BUF_SYNC_WRITE), for example. */
void dmabuf_import_sync_file(int dmabuf, uint32_t flags, int sync_fd);

/* The prefix of a line for igt_kmsg(), with the log level. */
#define KMSG_WARNING		"<4>[IGT] "

#define IGT_TEST_DESCRIPTION(text)	const char *__igt_test_description = (text)
extern const char *__igt_test_description __weak;

#define __igt_paste(a, b)	a ## b
#define igt_tokencat(a, b)	__igt_paste(a, b)
#define igt_unique(prefix)	igt_tokencat(igt_tokencat(__igt_unique__, prefix), __LINE__)

/* Turns the body that follows into a function. main() parses IGT's options and calls it. */
#define igt_main_args(short_opts, long_opts, help, handler, data)				\
	main(int argc, char **argv);								\
	static void igt_unique(body)(void);							\
	int main(int argc, char **argv)								\
	{											\
		igt_subtest_init_parse_opts(&argc, argv, short_opts, long_opts, help, handler,	\
					    data);						\
		igt_unique(body)();								\
		igt_exit();									\
	}											\
	static void igt_unique(body)(void)

#define igt_main()	igt_main_args(NULL, NULL, NULL, NULL, NULL)

/*
 * Each of these macros is a loop that runs its body at most once. The condition asks libigt whether
 * to run the body, and sets the target of longjmp(). The step reports the end of the body.
 */
#define igt_fixture()									\
	for (int igt_unique(left) = 1;							\
	     igt_unique(left) && __igt_fixture() && !sigsetjmp(igt_subtest_jmpbuf, 1);	\
	     igt_unique(left) = 0, __igt_fixture_complete())

#define igt_subtest(name)								\
	for (; __igt_run_subtest((name), __FILE__, __LINE__) &&				\
	     !sigsetjmp(igt_subtest_jmpbuf, 1);						\
	     igt_success())

/* Formats the name of a subtest. libigt uses it until the subtest ends; subtests do not nest. */
__printf(1, 2)
static inline const char *igt_subtest_name(const char *fmt, ...)
{
	static char name[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	return name;
}

#define igt_subtest_f(...)	igt_subtest(igt_subtest_name(__VA_ARGS__))

#define igt_subtest_group()								\
	for (int igt_unique(turn) = 0, igt_unique(skip) = 0, igt_unique(text) = 0;	\
	     !igt_unique(turn) &&							\
	     (__igt_subtest_group_save(&igt_unique(skip), &igt_unique(text)), true);	\
	     igt_unique(turn) = 1,							\
	     __igt_subtest_group_restore(igt_unique(skip), igt_unique(text)))

static inline bool *igt_is_child(void)
{
	static bool child;

	return &child;
}

/* Forks @count children. Returns the number of the child in each of them, and -1 in the parent. */
static inline int igt_fork_children(int count)
{
	for (int child = 0; child < count; child++) {
		if (__igt_fork()) {
			*igt_is_child() = true;
			return child;
		}
	}

	return -1;
}

#define igt_fork(child, count) \
	for (__attribute((unused)) int child = igt_fork_children(count); *igt_is_child(); exit(0))

#define igt_describe(text)	igt_describe_f("%s", text)

#define igt_debug(...)		igt_log(IGT_LOG_DOMAIN, IGT_LOG_DEBUG, __VA_ARGS__)
#define igt_info(...)		igt_log(IGT_LOG_DOMAIN, IGT_LOG_INFO, __VA_ARGS__)

#define __igt_fail(what, ...) \
	__igt_fail_assert(IGT_LOG_DOMAIN, __FILE__, __LINE__, __func__, what, __VA_ARGS__)

#define igt_assert(expr)				\
	do {						\
		if (!(expr))				\
			__igt_fail(#expr, NULL);	\
	} while (0)

#define igt_assert_f(expr, ...)				\
	do {						\
		if (!(expr))				\
			__igt_fail(#expr, __VA_ARGS__);	\
	} while (0)

#define __igt_compare(type, text, a, op, b)					\
	do {									\
		type __a = (a);							\
		type __b = (b);							\
										\
		if (!(__a op __b))						\
			__igt_fail(#a " " #op " " #b, text "\n", __a, __b);	\
	} while (0)

#define igt_assert_eq(a, b)		__igt_compare(int, "%d is not %d", a, ==, b)
#define igt_assert_neq(a, b)		__igt_compare(int, "%d is %d", a, !=, b)
#define igt_assert_lt(a, b)		__igt_compare(int, "%d is not below %d", a, <, b)
#define igt_assert_lte(a, b)		__igt_compare(int, "%d is above %d", a, <=, b)
#define igt_assert_eq_u32(a, b)		__igt_compare(__u32, "%#x is not %#x", a, ==, b)
#define igt_assert_neq_u32(a, b)	__igt_compare(__u32, "%#x is %#x", a, !=, b)
#define igt_assert_eq_u64(a, b)		__igt_compare(__u64, "%#llx is not %#llx", a, ==, b)
#define igt_assert_neq_u64(a, b)	__igt_compare(__u64, "%#llx is %#llx", a, !=, b)
#define igt_assert_lt_u64(a, b)		__igt_compare(__u64, "%#llx is not below %#llx", a, <, b)
#define igt_assert_lte_u64(a, b)	__igt_compare(__u64, "%#llx is above %#llx", a, <=, b)

/* Assert that an ioctl succeeds, or that it fails with the positive errno @err. */
#define do_ioctl(fd, request, arg)	igt_assert_eq(igt_ioctl(fd, request, arg), 0)
#define do_ioctl_err(fd, request, arg, err) \
	igt_assert_eq(igt_ioctl(fd, request, arg) ? errno : 0, err)

#define igt_require_f(expr, ...)							\
	do {										\
		if (!(expr))								\
			__igt_skip_check(__FILE__, __LINE__, __func__, #expr, __VA_ARGS__);	\
		igt_debug("Requirement met: %s\n", #expr);				\
	} while (0)

#define igt_require(expr)								\
	do {										\
		if (!(expr))								\
			__igt_skip_check(__FILE__, __LINE__, __func__, #expr, NULL);	\
		igt_debug("Requirement met: %s\n", #expr);				\
	} while (0)

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

#endif
