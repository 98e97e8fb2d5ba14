/* SPDX-License-Identifier: MIT */
/*
 * The image that the examples draw.
 */
#ifndef PICTURE_H
#define PICTURE_H

#include <linux/types.h>

/*
 * Draws @width x @height pixels, XRGB8888, with a pitch of @width pixels. Writes each pixel once,
 * in ascending order of addresses, and reads none: the access pattern that write-combined memory
 * handles well.
 */
void picture_draw(__u32 *pixels, unsigned int width, unsigned int height);

#endif
