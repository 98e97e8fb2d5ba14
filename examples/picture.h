/* SPDX-License-Identifier: MIT */
/*
 * The picture that the examples draw.
 */
#ifndef PICTURE_H
#define PICTURE_H

#include <linux/types.h>

/*
 * Draws @width x @height pixels, XRGB8888, without gaps between lines. Writes each pixel once, from
 * left to right and top to bottom, and reads none: write-combined memory is good at just that.
 */
void picture_draw(__u32 *pixels, unsigned int width, unsigned int height);

#endif
