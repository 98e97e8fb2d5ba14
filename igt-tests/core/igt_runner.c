// SPDX-License-Identifier: MIT
/*
 * The part of igt_runner that Barium's guests use, for architectures that have no IGT:
 *
 *   IGT_TEST_ROOT=ROOT igt_runner --list-all
 *   igt_runner [OPTION]... --dmesg-warn-level LEVEL --per-test-timeout SECONDS --test-list LIST
 *              ROOT RESULTS
 *
 * Runs each subtest in LIST in a process of its own, and writes RESULTS/results.json in the form of
 * IGT. A message of LEVEL or more severe in the kernel log makes a subtest fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "igt_core.h"

#define PATH_LEN	512
/* A longer text is cut off. */
#define MAX_TEXT	(256ul << 10)
/* Seconds that a test has for its exit handlers once its time is over. */
#define GRACE		5
#define POLL_MS		50

/* Text that grows. */
struct text {
	char *bytes;
	size_t len;
};

/* The process of a subtest and its output. */
struct run {
	pid_t pid;
	int pipes[2];
	struct text out, err;
	int status;
	bool timed_out;
};

static int warn_level = 4;
static double timeout = 180;
static int kmsg = -1;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void append(struct text *text, const char *bytes, size_t len)
{
	char *all;

	if (text->len + len > MAX_TEXT)
		len = MAX_TEXT - text->len;
	all = realloc(text->bytes, text->len + len + 1);
	if (!all)
		die("realloc");
	memcpy(all + text->len, bytes, len);
	text->bytes = all;
	text->len += len;
	all[text->len] = '\0';
}

/* Reads the available bytes. Returns false at the end of the file. */
static bool read_some(int fd, struct text *text)
{
	char buffer[4096];
	ssize_t len;

	while ((len = read(fd, buffer, sizeof(buffer))) > 0)
		append(text, buffer, len);
	return len < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Reads the kernel log. Returns true if it has a message of warn_level or more severe. */
static bool read_kmsg(struct text *text)
{
	char record[8192], line[8300];
	bool warned = false;

	for (;;) {
		unsigned long long microseconds;
		unsigned int priority;
		char *message, *end;
		ssize_t len = read(kmsg, record, sizeof(record) - 1);

		/* Records were overwritten before they could be read. */
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			return warned;
		record[len] = '\0';
		message = strchr(record, ';');
		if (!message || sscanf(record, "%u,%*u,%llu", &priority, &microseconds) != 2)
			continue;
		end = strchr(++message, '\n');
		if (end)
			*end = '\0';
		priority &= 7;
		warned |= (int)priority <= warn_level;
		snprintf(line, sizeof(line), "<%u> [%llu.%06llu] %s\n", priority,
			 microseconds / 1000000, microseconds % 1000000, message);
		append(text, line, strlen(line));
	}
}

static void start(struct run *run, const char *root, const char *binary, const char *subtest)
{
	int out[2], err[2];
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/%s", root, binary);
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipe2");
	run->pid = fork();
	if (run->pid < 0)
		die("fork");
	if (!run->pid) {
		setpgid(0, 0);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		if (subtest)
			execl(path, binary, "--run-subtest", subtest, NULL);
		else
			execl(path, binary, "--list-subtests", NULL);
		perror(path);
		_exit(IGT_CORE_INVALID);
	}
	setpgid(run->pid, run->pid);
	close(out[1]);
	close(err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	run->pipes[0] = out[0];
	run->pipes[1] = err[0];
}

/* Waits until the process ends; ends it when its time is over. */
static void finish(struct run *run)
{
	double end = now() + timeout;
	int sig = SIGTERM;

	while (waitpid(run->pid, &run->status, WNOHANG) != run->pid) {
		struct pollfd fds[] = {
			{ .fd = run->pipes[0], .events = POLLIN },
			{ .fd = run->pipes[1], .events = POLLIN },
		};

		/* A pipe without writers is always ready. */
		if (poll(fds, 2, POLL_MS) > 0 && !((fds[0].revents | fds[1].revents) & POLLIN))
			usleep(1000);
		read_some(run->pipes[0], &run->out);
		read_some(run->pipes[1], &run->err);
		if (now() < end)
			continue;
		run->timed_out = true;
		kill(-run->pid, sig);
		sig = SIGKILL;
		end = now() + GRACE;
	}
	/* Processes that the test has left. */
	kill(-run->pid, SIGKILL);
	read_some(run->pipes[0], &run->out);
	read_some(run->pipes[1], &run->err);
	close(run->pipes[0]);
	close(run->pipes[1]);
}

static const char *result(const struct run *run, bool warned)
{
	if (run->timed_out)
		return "timeout";
	if (WIFSIGNALED(run->status))
		return "crash";
	switch (WEXITSTATUS(run->status)) {
	case 0:
		return warned ? "dmesg-warn" : "pass";
	case IGT_CORE_SKIP:
		return warned ? "dmesg-warn" : "skip";
	case IGT_CORE_INVALID:
		return "notrun";
	default:
		return warned ? "dmesg-fail" : "fail";
	}
}

static void print_string(FILE *json, const struct text *text)
{
	size_t i;

	fputc('"', json);
	for (i = 0; i < text->len; i++) {
		unsigned char byte = text->bytes[i];

		if (byte == '"' || byte == '\\')
			fprintf(json, "\\%c", byte);
		else if (byte < 0x20)
			fprintf(json, "\\u%04x", byte);
		else
			fputc(byte, json);
	}
	fputc('"', json);
}

/* Runs @test, "igt@BINARY@SUBTEST", and prints its result. */
static void run_test(FILE *json, const char *root, const char *test, bool first)
{
	char binary[128], subtest[256];
	struct text dmesg = { };
	struct run run = { };
	double begun;
	bool warned;

	if (sscanf(test, "igt@%127[^@]@%255s", binary, subtest) != 2) {
		fprintf(stderr, "%s is not the name of a subtest\n", test);
		exit(1);
	}
	/* Earlier messages of the kernel are not about this test. */
	read_kmsg(&dmesg);
	dmesg.len = 0;
	begun = now();
	start(&run, root, binary, subtest);
	finish(&run);
	warned = read_kmsg(&dmesg);
	fprintf(json, "%s\n\"%s\": {\"result\": \"%s\", \"time\": {\"start\": %.3f, \"end\": %.3f}",
		first ? "" : ",", test, result(&run, warned), begun, now());
	fputs(", \"out\": ", json);
	print_string(json, &run.out);
	fputs(", \"err\": ", json);
	print_string(json, &run.err);
	fputs(", \"dmesg\": ", json);
	print_string(json, &dmesg);
	fputc('}', json);
	printf("%s: %s\n", test, result(&run, warned));
	free(run.out.bytes);
	free(run.err.bytes);
	free(dmesg.bytes);
}

static void run_list(const char *list, const char *root, const char *results)
{
	char path[PATH_LEN], line[PATH_LEN];
	FILE *tests = fopen(list, "r"), *json;
	bool first = true;

	mkdir(results, 0755);
	snprintf(path, sizeof(path), "%s/results.json", results);
	json = fopen(path, "w");
	if (!tests || !json)
		die(tests ? path : list);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		die("/dev/kmsg");
	fputs("{\"tests\": {", json);
	while (fgets(line, sizeof(line), tests)) {
		line[strcspn(line, "\n")] = '\0';
		run_test(json, root, line, first);
		first = false;
	}
	fputs("\n}}\n", json);
	if (fclose(json))
		die(path);
	fclose(tests);
}

/* Prints the subtests of all binaries that ROOT/test-list.txt names. */
static void list_all(const char *root)
{
	char path[PATH_LEN], word[PATH_LEN];
	FILE *list;

	snprintf(path, sizeof(path), "%s/test-list.txt", root);
	list = fopen(path, "r");
	if (!list)
		die(path);
	while (fscanf(list, "%511s", word) == 1) {
		char *subtest, *rest = NULL;
		struct run run = { };

		if (!strcmp(word, "TESTLIST") || !strcmp(word, "END"))
			continue;
		start(&run, root, word, NULL);
		finish(&run);
		subtest = run.out.bytes ? strtok_r(run.out.bytes, "\n", &rest) : NULL;
		for (; subtest; subtest = strtok_r(NULL, "\n", &rest))
			printf("igt@%s@%s\n", word, subtest);
		free(run.out.bytes);
		free(run.err.bytes);
	}
	fclose(list);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "list-all", no_argument, NULL, 'a' },
		{ "dmesg-warn-level", required_argument, NULL, 'w' },
		{ "per-test-timeout", required_argument, NULL, 't' },
		{ "test-list", required_argument, NULL, 'l' },
		/* These two are always on. */
		{ "overwrite", no_argument, NULL, 'n' },
		{ "multiple-mode", no_argument, NULL, 'n' },
		{ },
	};
	const char *list = NULL;
	int opt;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'a':
			list_all(getenv("IGT_TEST_ROOT") ?: ".");
			return 0;
		case 'w':
			warn_level = atoi(optarg);
			break;
		case 't':
			timeout = atoi(optarg);
			break;
		case 'l':
			list = optarg;
			break;
		case 'n':
			break;
		default:
			return 2;
		}
	}
	if (!list || argc - optind != 2) {
		fprintf(stderr, "usage: igt_runner --list-all | --test-list LIST ROOT RESULTS\n");
		return 2;
	}
	run_list(list, argv[optind], argv[optind + 1]);
	return 0;
}
