// SPDX-License-Identifier: MIT
/*
 * The functions of libigt that the headers in include/ declare, for architectures without libigt:
 * Debian builds it for amd64 only. Unlike libigt, --run-subtest takes the whole name of a subtest.
 * igt_runner.c, beside this file, starts the tests.
 */
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <linux/dma-buf.h>
#include <linux/rtc.h>

#include "igt.h"
#include "igt_core.h"
#include "igt_kmod.h"

#define MAX_EXIT_HANDLERS	16
#define MAX_CHILDREN		64
/* Seconds between the subtest's call and the alarm that wakes the machine. */
#define AUTORESUME_DELAY	15

#define WAKE_ALARM		"/sys/class/rtc/rtc0/wakealarm"
#define SW_SYNC			"/sys/kernel/debug/sync/sw_sync"

struct sw_sync_create_fence_data {
	__u32 value;
	char name[32];
	__s32 fence;
};

#define SW_SYNC_IOC_CREATE_FENCE	_IOWR('W', 0, struct sw_sync_create_fence_data)
#define SW_SYNC_IOC_INC			_IOW('W', 1, __u32)

/* The result of a subtest. */
enum verdict {
	PASSED,
	SKIPPED,
	FAILED,
};

jmp_buf igt_subtest_jmpbuf;

static const char *program;
static const char *selected;
static bool lists;

/* The subtest that runs, or NULL. */
static const char *subtest;
/* The result of each following subtest if a fixture failed or skipped, otherwise PASSED. */
static enum verdict henceforth;
static unsigned int passed, skipped, failed;

static pid_t main_process;
static pid_t children[MAX_CHILDREN];
static unsigned int child_count;

static igt_exit_handler_t exit_handlers[MAX_EXIT_HANDLERS];
static unsigned int exit_handler_count;
static const int fatal_signals[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGTERM,
};

static int ioctl_again(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, request, arg);
	} while (ret == -1 && (errno == EINTR || errno == EAGAIN));
	return ret;
}

/* Each thread has one of its own. */
__thread igt_ioctl_fn_t igt_ioctl = ioctl_again;

static __noreturn void help_and_exit(int status)
{
	fprintf(status ? stderr : stdout, "%s [--list-subtests | --run-subtest NAME]\n", program);
	exit(status);
}

int igt_subtest_init_parse_opts(int *argc, char **argv, const char *short_opts,
				const struct option *long_opts, const char *help,
				igt_opt_handler_t handler, void *data)
{
	static const struct option options[] = {
		{ "list-subtests", no_argument, NULL, 'l' },
		{ "run-subtest", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ },
	};
	int opt;

	/* No test of this directory has options of its own. */
	(void)short_opts;
	(void)long_opts;
	(void)help;
	(void)handler;
	(void)data;
	program = basename(argv[0]);
	main_process = getpid();
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt_long(*argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'l':
			lists = true;
			break;
		case 'r':
			selected = optarg;
			break;
		default:
			help_and_exit(opt == 'h' ? 0 : IGT_CORE_INVALID);
		}
	}
	return 0;
}

static void run_exit_handlers(int sig)
{
	/* A child must not undo the set-up that its parent still uses. */
	if (getpid() != main_process)
		return;
	while (exit_handler_count)
		exit_handlers[--exit_handler_count](sig);
}

static void at_exit(void)
{
	run_exit_handlers(0);
}

static void at_signal(int sig)
{
	signal(sig, SIG_DFL);
	run_exit_handlers(sig);
	raise(sig);
}

void igt_install_exit_handler(igt_exit_handler_t fn)
{
	static bool installed;
	size_t i;

	for (i = 0; i < exit_handler_count; i++) {
		if (exit_handlers[i] == fn)
			return;
	}
	igt_assert(exit_handler_count < MAX_EXIT_HANDLERS);
	exit_handlers[exit_handler_count++] = fn;
	if (installed)
		return;
	installed = true;
	atexit(at_exit);
	for (i = 0; i < ARRAY_SIZE(fatal_signals); i++)
		signal(fatal_signals[i], at_signal);
}

static void kill_children(void)
{
	while (child_count) {
		pid_t pid = children[--child_count];

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

void igt_exit(void)
{
	kill_children();
	if (lists)
		exit(0);
	if (selected && !passed && !skipped && !failed) {
		fprintf(stderr, "%s has no subtest %s\n", program, selected);
		exit(IGT_CORE_INVALID);
	}
	/* A failure of a fixture after the selected subtest does not change the result. */
	if (failed || (henceforth == FAILED && !selected))
		exit(IGT_CORE_FAILURE);
	exit(skipped && !passed ? IGT_CORE_SKIP : 0);
}

bool __igt_fixture(void)
{
	return !lists && henceforth == PASSED;
}

void __igt_fixture_complete(void)
{
}

static void count(const char *name, enum verdict verdict)
{
	static const char * const words[] = { "SUCCESS", "SKIP", "FAIL" };

	printf("Subtest %s: %s\n", name, words[verdict]);
	passed += verdict == PASSED;
	skipped += verdict == SKIPPED;
	failed += verdict == FAILED;
}

bool __igt_run_subtest(const char *name, const char *file, const int line)
{
	(void)file;
	(void)line;
	if (lists) {
		puts(name);
		return false;
	}
	if (selected && strcmp(name, selected))
		return false;
	if (henceforth != PASSED) {
		count(name, henceforth);
		return false;
	}
	igt_kmsg("<6>[IGT] %s: starting subtest %s\n", program, name);
	printf("Starting subtest: %s\n", name);
	subtest = name;
	return true;
}

static void end_subtest(enum verdict verdict)
{
	const char *name = subtest;

	kill_children();
	fflush(stderr);
	subtest = NULL;
	count(name, verdict);
}

/* Ends the subtest, or all following ones if a fixture runs. */
static __noreturn void leave(enum verdict verdict)
{
	if (getpid() != main_process)
		exit(verdict == FAILED ? IGT_CORE_FAILURE : IGT_CORE_SKIP);
	if (subtest)
		end_subtest(verdict);
	else
		henceforth = verdict;
	siglongjmp(igt_subtest_jmpbuf, 1);
}

/* Does not return: the loop of igt_subtest() would run the body once more. */
void igt_success(void)
{
	leave(PASSED);
}

void __igt_subtest_group_save(int *skip, int *describe)
{
	*skip = henceforth;
	*describe = 0;
}

void __igt_subtest_group_restore(int skip, int describe)
{
	(void)describe;
	henceforth = skip;
}

void igt_describe_f(const char *fmt, ...)
{
	(void)fmt;
}

void igt_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	leave(SKIPPED);
}

void __igt_skip_check(const char *file, const int line, const char *func, const char *check,
		      const char *fmt, ...)
{
	va_list args;

	printf("Test requirement not met in function %s, file %s:%i:\nTest requirement: %s\n",
	       func, file, line, check);
	if (fmt) {
		va_start(args, fmt);
		vprintf(fmt, args);
		va_end(args);
	}
	leave(SKIPPED);
}

void __igt_fail_assert(const char *domain, const char *file, const int line, const char *func,
		       const char *assertion, const char *fmt, ...)
{
	int err = errno;
	va_list args;

	(void)domain;
	fflush(stdout);
	fprintf(stderr, "Test assertion failure function %s, file %s:%i:\nFailed assertion: %s\n",
		func, file, line, assertion);
	if (err)
		fprintf(stderr, "Last errno: %i, %s\n", err, strerror(err));
	if (fmt) {
		va_start(args, fmt);
		vfprintf(stderr, fmt, args);
		va_end(args);
	}
	leave(FAILED);
}

void igt_log(const char *domain, enum igt_log_level level, const char *fmt, ...)
{
	FILE *to = level >= IGT_LOG_WARN ? stderr : stdout;
	va_list args;

	(void)domain;
	if (level == IGT_LOG_DEBUG)
		return;
	va_start(args, fmt);
	vfprintf(to, fmt, args);
	va_end(args);
}

void igt_kmsg(const char *fmt, ...)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	va_list args;

	if (fd < 0)
		return;
	va_start(args, fmt);
	vdprintf(fd, fmt, args);
	va_end(args);
	close(fd);
}

bool __igt_fork(void)
{
	pid_t pid;

	igt_assert(child_count < MAX_CHILDREN);
	fflush(stdout);
	fflush(stderr);
	pid = fork();
	igt_assert(pid >= 0);
	if (!pid) {
		child_count = 0;
		exit_handler_count = 0;
		return true;
	}
	children[child_count++] = pid;
	return false;
}

void igt_waitchildren(void)
{
	int failure = 0, status;

	while (child_count && !failure) {
		pid_t pid = waitpid(-1, &status, 0);
		unsigned int i;

		igt_assert(pid > 0);
		for (i = 0; i < child_count && children[i] != pid; i++)
			;
		/* A test can have children of its own. */
		if (i == child_count)
			continue;
		children[i] = children[--child_count];
		failure = status;
	}
	if (WIFEXITED(failure) && WEXITSTATUS(failure) == IGT_CORE_SKIP)
		igt_skip("a child skips\n");
	igt_assert_f(!WIFEXITED(failure) || !WEXITSTATUS(failure), "a child ended with %d\n",
		     WEXITSTATUS(failure));
	igt_assert_f(!WIFSIGNALED(failure), "signal %d killed a child\n", WTERMSIG(failure));
}

void gem_close(int fd, __u32 handle)
{
	struct drm_gem_close arg = { .handle = handle };

	do_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &arg);
}

int igt_kmod_load(const char *mod_name, const char *opts)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid) {
		execlp("modprobe", "modprobe", mod_name, opts, NULL);
		_exit(1);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ENOENT;
}

static int autoresume_delay = AUTORESUME_DELAY;

void igt_set_autoresume_delay(int delay_secs)
{
	autoresume_delay = delay_secs;
}

/* Writes @text to the file @path. Returns 0 or a negative errno. */
static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static bool file_has(const char *path, const char *word)
{
	char text[256] = "";
	FILE *file = fopen(path, "r");

	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	return strstr(text, word);
}

void igt_system_suspend_autoresume(enum igt_suspend_state state, enum igt_suspend_test test)
{
	static const char * const states[] = { "freeze", "standby", "mem", "mem", "disk" };
	char alarm[32];

	igt_require_f(test == SUSPEND_TEST_NONE, "this core does not test suspend in part\n");
	igt_require_f(file_has("/sys/power/state", states[state]),
		      "the machine has no sleep state %s\n", states[state]);
	if (state == SUSPEND_STATE_S3)
		igt_require_f(file_has("/sys/power/mem_sleep", "deep"),
			      "the machine has no suspend to RAM\n");
	snprintf(alarm, sizeof(alarm), "+%d", autoresume_delay);
	igt_require_f(!write_text(WAKE_ALARM, "0") && !write_text(WAKE_ALARM, alarm),
		      "no alarm wakes the machine\n");
	igt_assert_eq(write_text("/sys/power/state", states[state]), 0);
}

void igt_require_sw_sync(void)
{
	igt_require_f(!access(SW_SYNC, R_OK | W_OK), "the kernel has no sw_sync\n");
}

int sw_sync_timeline_create(void)
{
	int fd = open(SW_SYNC, O_RDWR | O_CLOEXEC);

	igt_assert(fd >= 0);
	return fd;
}

int sw_sync_timeline_create_fence(int timeline, uint32_t seqno)
{
	struct sw_sync_create_fence_data arg = { .value = seqno };

	do_ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, &arg);
	return arg.fence;
}

void sw_sync_timeline_inc(int timeline, uint32_t count)
{
	do_ioctl(timeline, SW_SYNC_IOC_INC, &count);
}

void dmabuf_import_sync_file(int dmabuf, uint32_t flags, int sync_fd)
{
	struct dma_buf_import_sync_file arg = { .flags = flags, .fd = sync_fd };

	do_ioctl(dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg);
}
