// SPDX-License-Identifier: MIT
/*
 * Reproduces bugs of Linux 7.3 that docs/reliability.md lists. They are not specific to barium. Do
 * not run it on a machine that you need: the kernel oopses, warns or runs out of memory.
 *
 * kernel-bugs bind DRIVER SLOT FUNCTION
 *
 * Binds the PCI device SLOT to DRIVER while one allocation below FUNCTION fails: the first, then
 * the second, and so on. Sets a mode after each successful bind. DRIVER is the name in
 * /sys/bus/pci/drivers, such as bochs-drm. Requires root and a kernel with
 * CONFIG_FAULT_INJECTION_STACKTRACE_FILTER. FUNCTION is drm_sysfs_minor_alloc,
 * drm_mode_config_reset or drm_modeset_register_all, for example.
 *
 * kernel-bugs syncobj DRIVER COUNT
 *
 * Creates COUNT synchronization objects on a device of DRIVER. Reports how much memory the system
 * has lost, and how much of it the kernel has charged to the cgroup of the process.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>
#include <xf86drmMode.h>

#define DEBUGFS "/sys/kernel/debug/"
#define FAILSLAB DEBUGFS "failslab/"

/* Writes @text to a file: 0 or a negative errno. */
static int __write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static void write_text(const char *path, const char *text)
{
	int ret = __write_text(path, text);

	if (ret)
		errx(1, "%s: %s", path, strerror(-ret));
}

/*
 * Restricts fault injection to calls below @function in the call stack. fail-nth counts pages and
 * copies from user space as well.
 */
static void restrict_faults(const char *function)
{
	static const char * const kinds[] = {
		"failslab", "fail_page_alloc", "fail_usercopy", NULL
	};
	FILE *symbols = fopen("/proc/kallsyms", "re");
	unsigned long address, start = 0, end = 0;
	char line[600], name[512], value[32], path[64];
	const char * const *kind;

	while (symbols && end <= start && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %*c %511s", &address, name) != 2)
			continue;
		if (!start && !strcmp(name, function))
			start = address;
		else if (start)
			end = address;
	}
	if (end <= start)
		errx(1, "/proc/kallsyms has no %s", function);
	fclose(symbols);

	for (kind = kinds; *kind; kind++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/require-start", *kind);
		snprintf(value, sizeof(value), "%#lx", start);
		if (__write_text(path, value) == -ENOENT)
			continue;
		snprintf(path, sizeof(path), DEBUGFS "%s/require-end", *kind);
		snprintf(value, sizeof(value), "%#lx", end);
		write_text(path, value);
	}
}

static void set_up_failslab(const char *function)
{
	write_text(FAILSLAB "probability", "0");
	write_text(FAILSLAB "times", "-1");
	write_text(FAILSLAB "task-filter", "1");
	write_text(FAILSLAB "cache-filter", "0");
	write_text(FAILSLAB "ignore-gfp-wait", "0");
	restrict_faults(function);
}

/* Finds the primary node of the PCI device. */
static int open_card(const char *slot)
{
	char path[128];
	glob_t found;
	int fd = -1;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/drm/card*", slot);
	if (!glob(path, 0, NULL, &found)) {
		snprintf(path, sizeof(path), "/dev/dri/%s", strrchr(found.gl_pathv[0], '/') + 1);
		fd = open(path, O_RDWR | O_CLOEXEC);
		globfree(&found);
	}
	return fd;
}

/* Sets the preferred mode of the first connector, with a dumb buffer. */
static void set_mode(const char *slot)
{
	struct drm_mode_create_dumb create = { .bpp = 32 };
	drmModeConnector *connector;
	int fd = open_card(slot);
	drmModeRes *resources;
	__u32 fb;

	if (fd < 0) {
		warnx("%s: no primary node", slot);
		return;
	}
	resources = drmModeGetResources(fd);
	if (!resources || !resources->count_crtcs || !resources->count_connectors)
		errx(1, "%s: no CRTC or no connector", slot);
	connector = drmModeGetConnector(fd, resources->connectors[0]);
	if (!connector || !connector->count_modes)
		errx(1, "%s: no modes", slot);
	create.width = connector->modes[0].hdisplay;
	create.height = connector->modes[0].vdisplay;
	if (drmIoctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &create) ||
	    drmModeAddFB(fd, create.width, create.height, 24, 32, create.pitch, create.handle,
			 &fb) ||
	    drmModeSetCrtc(fd, resources->crtcs[0], fb, 0, 0, &connector->connector_id, 1,
			   &connector->modes[0]))
		warn("%s: setting a mode", slot);
	drmModeFreeConnector(connector);
	drmModeFreeResources(resources);
	close(fd);
}

/* Binds the device while allocation @nth fails. Returns false if there is no such allocation. */
static bool bind_once(int fail_nth, const char *driver, const char *slot, unsigned int nth)
{
	char path[128], text[16];
	bool fired;
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	snprintf(text, sizeof(text), "%u", nth);
	printf("failing allocation %u\n", nth);
	fflush(stdout);

	if (pwrite(fail_nth, text, strlen(text), 0) < 0)
		err(1, "fail-nth");
	ret = __write_text(path, slot);
	memset(text, 0, sizeof(text));
	fired = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && !atoi(text);
	if (pwrite(fail_nth, "0", 1, 0) < 0)
		err(1, "fail-nth");

	printf("bind: %s\n", strerror(-ret));
	if (!ret) {
		set_mode(slot);
		snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", driver);
		write_text(path, slot);
	}
	return fired;
}

static int reproduce_bind(const char *driver, const char *slot, const char *function)
{
	int fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	unsigned int nth = 1;
	char path[128];

	if (fail_nth < 0)
		err(1, "/proc/thread-self/fail-nth");
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	if (access(path, W_OK))
		err(1, "%s: is the driver loaded?", path);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", slot);
	__write_text(path, slot);
	set_up_failslab(function);
	while (bind_once(fail_nth, driver, slot, nth))
		nth++;
	printf("%u allocations below %s()\n", nth - 1, function);
	return 0;
}

/* Reads the number after @key in a file, 0 if there is none. */
static long read_number(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	long number = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, strlen(key)) &&
		    sscanf(line + strlen(key), "%ld", &number) == 1)
			break;
	}
	if (file)
		fclose(file);
	return number;
}

/* Returns the bytes charged to the cgroup (version 2) of the process. */
static long charged(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[256] = "", path[512];

	if (!file || !fgets(line, sizeof(line), file))
		errx(1, "/proc/self/cgroup cannot be read");
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.current", strrchr(line, ':') + 1);
	return read_number(path, "");
}

static int reproduce_syncobj(const char *driver, unsigned long count)
{
	long available = read_number("/proc/meminfo", "MemAvailable:"), before = charged();
	int fd = drmOpenWithType(driver, NULL, DRM_NODE_RENDER);
	unsigned long i;
	__u32 handle;

	if (fd < 0)
		errx(1, "no render node of %s", driver);
	for (i = 0; i < count; i++) {
		if (drmSyncobjCreate(fd, 0, &handle))
			err(1, "synchronization object %lu", i);
	}
	printf("objects: %lu\nlost: %ld KiB\ncharged: %ld KiB\n", count,
	       available - read_number("/proc/meminfo", "MemAvailable:"),
	       (charged() - before) / 1024);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "bind"))
		return reproduce_bind(argv[2], argv[3], argv[4]);
	if (argc == 4 && !strcmp(argv[1], "syncobj"))
		return reproduce_syncobj(argv[2], strtoul(argv[3], NULL, 0));
	errx(2, "usage: kernel-bugs bind DRIVER SLOT FUNCTION | syncobj DRIVER COUNT");
}
