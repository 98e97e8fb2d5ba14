/* SPDX-License-Identifier: MIT */
/*
 * The exit statuses with which a test reports the result of one subtest to its runner.
 */
#ifndef BARIUM_IGT_CORE_H
#define BARIUM_IGT_CORE_H

/* As in libigt, 0 means that the subtest has passed. */
#define IGT_CORE_SKIP		77
#define IGT_CORE_INVALID	79
#define IGT_CORE_FAILURE	98

#endif
