// SPDX-License-Identifier: MIT
/*
 * Draws an image into VRAM: opens the render node, creates an object, maps it and writes pixels.
 *
 * The program reports each step as a line "key: value". With --reference, it also draws the image
 * in system memory and writes it to a file, for comparison with the contents of VRAM.
 */
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <xf86drm.h>

#include "barium_drm.h"
#include "mapping-info.h"
#include "picture.h"

struct options {
	unsigned int width;
	unsigned int height;
	const char *reference;
	int scatter;
	int wait;
};

/*
 * Opens the first device bound to barium: its render node, or the primary node if it has none. On
 * the primary node, the ioctls need a client that is master, as the first one is, or authenticated.
 */
static int open_barium(void)
{
	drmDevicePtr devices[16];
	int count = drmGetDevices2(0, devices, 16), fd = -1, i;

	for (i = 0; i < count && fd < 0; i++) {
		int node = devices[i]->available_nodes & 1 << DRM_NODE_RENDER ? DRM_NODE_RENDER :
										DRM_NODE_PRIMARY;
		drmVersionPtr version;

		if (!(devices[i]->available_nodes & 1 << node))
			continue;

		fd = open(devices[i]->nodes[node], O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;

		version = drmGetVersion(fd);
		if (version && !strcmp(version->name, "barium")) {
			printf("device: %s\n", devices[i]->nodes[node]);
			printf("driver: %s %d.%d.%d\n", version->name, version->version_major,
			       version->version_minor, version->version_patchlevel);
		} else {
			close(fd);
			fd = -1;
		}
		drmFreeVersion(version);
	}

	if (count > 0)
		drmFreeDevices(devices, count);
	if (fd < 0)
		errx(1, "no device is bound to barium");
	return fd;
}

static __u64 get_param(int fd, __u32 param)
{
	struct drm_barium_get_param arg = { .param = param };

	if (drmIoctl(fd, DRM_IOCTL_BARIUM_GET_PARAM, &arg))
		err(1, "GET_PARAM %u", param);
	return arg.value;
}

/* Creates an object of *size bytes and returns its handle. Sets *size to its actual size. */
static __u32 create(int fd, __u64 *size)
{
	struct drm_barium_gem_create arg = { .size = *size };

	if (drmIoctl(fd, DRM_IOCTL_BARIUM_GEM_CREATE, &arg))
		err(1, "GEM_CREATE of %llu bytes", *size);
	*size = arg.size;
	return arg.handle;
}

static __u64 mmap_offset(int fd, __u32 handle)
{
	struct drm_barium_gem_mmap_offset arg = { .handle = handle };

	if (drmIoctl(fd, DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET, &arg))
		err(1, "GEM_MMAP_OFFSET");
	return arg.offset;
}

/*
 * Fragments VRAM: leaves only @bytes available, rounded up to whole pages, as single pages of which
 * no two are adjacent.
 */
static void scatter(int fd, __u64 bytes)
{
	__u64 page = get_param(fd, BARIUM_PARAM_PAGE_SIZE), pages = (bytes + page - 1) / page;
	__u64 available = get_param(fd, BARIUM_PARAM_VRAM_AVAILABLE), rest, i;
	__u32 *singles = calloc(2 * pages, sizeof(*singles));

	if (!singles || available < 2 * pages * page)
		errx(1, "not enough VRAM for %llu pages that are not adjacent", pages);

	rest = available - 2 * pages * page;
	if (rest)
		create(fd, &rest);
	for (i = 0; i < 2 * pages; i++)
		singles[i] = create(fd, &page);
	for (i = 0; i < 2 * pages; i += 2)
		drmCloseBufferHandle(fd, singles[i]);
	free(singles);
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/*
 * Draws the image in system memory, and writes it to the file options->reference if that is set.
 * This also takes the page faults on the code and data that drawing needs, such as those of the
 * math library, so that main() counts only page faults on the mapping.
 */
static __u32 *draw_reference(const struct options *options, size_t size)
{
	__u32 *pixels = malloc(size);
	FILE *file;

	if (!pixels)
		err(1, "reference");
	picture_draw(pixels, options->width, options->height);

	if (options->reference) {
		file = fopen(options->reference, "w");
		if (!file || fwrite(pixels, size, 1, file) != 1 || fclose(file))
			err(1, "%s", options->reference);
	}
	return pixels;
}

static struct options parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "width", required_argument, NULL, 'W' },
		{ "height", required_argument, NULL, 'H' },
		{ "reference", required_argument, NULL, 'r' },
		{ "scatter", no_argument, NULL, 's' },
		{ "wait", no_argument, NULL, 'w' },
		{}
	};
	struct options options = { .width = 640, .height = 480 };
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'W':
			options.width = strtoul(optarg, NULL, 0);
			break;
		case 'H':
			options.height = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			options.reference = optarg;
			break;
		case 's':
			options.scatter = 1;
			break;
		case 'w':
			options.wait = 1;
			break;
		default:
			errx(2, "options: --width N --height N --reference FILE --scatter --wait");
		}
	}

	if (!options.width || !options.height || options.width > 16384 || options.height > 16384)
		errx(2, "width and height are 1 to 16384 pixels");
	return options;
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	size_t bytes = (size_t)options.width * options.height * sizeof(__u32);
	__u64 size = bytes, offset;
	char flags[128];
	__u32 handle, *reference;
	long faults;
	void *map;
	int fd;

	reference = draw_reference(&options, bytes);

	fd = open_barium();
	printf("vram_size: %llu\n", get_param(fd, BARIUM_PARAM_VRAM_SIZE));
	if (options.scatter)
		scatter(fd, bytes);
	printf("vram_available: %llu\n", get_param(fd, BARIUM_PARAM_VRAM_AVAILABLE));

	handle = create(fd, &size);
	offset = mmap_offset(fd, handle);
	printf("handle: %u\nsize: %llu\noffset: %#llx\n", handle, size, offset);

	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (map == MAP_FAILED)
		err(1, "mmap");

	faults = minor_faults();
	picture_draw(map, options.width, options.height);
	faults = minor_faults() - faults;

	mapping_flags(map, flags, sizeof(flags));
	printf("minor_faults: %ld\nvmflags: %s\ncache_mode: %s\nready\n", faults, flags,
	       mapping_cache_mode(map));
	fflush(stdout);
	if (options.wait) {
		getchar();
		printf("kept: %s\n", memcmp(map, reference, bytes) ? "no" : "yes");
	}

	/* Exiting releases the mapping and the handle as well. A longer-lived program does this. */
	free(reference);
	munmap(map, size);
	drmCloseBufferHandle(fd, handle);
	close(fd);
	return 0;
}
