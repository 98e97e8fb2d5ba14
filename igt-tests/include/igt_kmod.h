/* SPDX-License-Identifier: MIT */
/*
 * The part of IGT's igt_kmod.h that the tests in this directory use; see igt.h.
 */
#ifndef BARIUM_IGT_KMOD_H
#define BARIUM_IGT_KMOD_H

/* Loads a module. Returns 0 or a negative errno. */
int igt_kmod_load(const char *mod_name, const char *opts);

#endif
