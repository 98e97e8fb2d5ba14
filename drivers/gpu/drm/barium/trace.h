/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints of the driver, which report changes of the memory of an object. There is none for
 * a fault that finds its page in memory. upstream/trace.rs calls them through the functions of
 * trace.c.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM barium

#if !defined(_BARIUM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BARIUM_TRACE_H

#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_vma_manager.h>
#include <linux/tracepoint.h>

/* The numbers are those of `Where` in upstream/trace.rs. */
#define barium_show_place(place)	\
	__print_symbolic(place, { 0, "none" }, { 1, "vram" }, { 2, "system" })

/*
 * minor is the number of the device's primary node, and object the fake offset of the object, which
 * identifies it in the debugfs files as well. pages is the size of the object in pages.
 */
DECLARE_EVENT_CLASS(barium_object,
	TP_PROTO(struct drm_gem_object *obj, u32 place),
	TP_ARGS(obj, place),
	TP_STRUCT__entry(
		__field(u32, minor)
		__field(u32, place)
		__field(u64, object)
		__field(u64, pages)
	),
	TP_fast_assign(
		__entry->minor = obj->dev->primary->index;
		__entry->place = place;
		__entry->object = drm_vma_node_offset_addr(&obj->vma_node);
		__entry->pages = obj->size >> PAGE_SHIFT;
	),
	TP_printk("minor=%u object=%#llx pages=%llu place=%s",
		  __entry->minor, __entry->object, __entry->pages,
		  barium_show_place(__entry->place))
);

DEFINE_EVENT(barium_object, barium_object_create,
	TP_PROTO(struct drm_gem_object *obj, u32 place),
	TP_ARGS(obj, place)
);

DEFINE_EVENT(barium_object, barium_object_free,
	TP_PROTO(struct drm_gem_object *obj, u32 place),
	TP_ARGS(obj, place)
);

/*
 * An operation that has taken ns nanoseconds. moved is a number of pages: for move_out those that
 * were copied, for move_in all of the object, for purge those whose memory was freed, and for
 * swap_out those that were in memory. place is the new place for move_out, and the old one for the
 * others.
 */
DECLARE_EVENT_CLASS(barium_memory,
	TP_PROTO(struct drm_gem_object *obj, u32 place, u64 moved, u64 ns),
	TP_ARGS(obj, place, moved, ns),
	TP_STRUCT__entry(
		__field(u32, minor)
		__field(u32, place)
		__field(u64, object)
		__field(u64, pages)
		__field(u64, moved)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->minor = obj->dev->primary->index;
		__entry->place = place;
		__entry->object = drm_vma_node_offset_addr(&obj->vma_node);
		__entry->pages = obj->size >> PAGE_SHIFT;
		__entry->moved = moved;
		__entry->ns = ns;
	),
	TP_printk("minor=%u object=%#llx pages=%llu place=%s moved=%llu ns=%llu",
		  __entry->minor, __entry->object, __entry->pages,
		  barium_show_place(__entry->place),
		  __entry->moved, __entry->ns)
);

#define BARIUM_MEMORY_EVENT(name)						\
DEFINE_EVENT(barium_memory, name,						\
	TP_PROTO(struct drm_gem_object *obj, u32 place, u64 moved, u64 ns),	\
	TP_ARGS(obj, place, moved, ns)						\
)

BARIUM_MEMORY_EVENT(barium_move_out);
BARIUM_MEMORY_EVENT(barium_move_in);
BARIUM_MEMORY_EVENT(barium_purge);
BARIUM_MEMORY_EVENT(barium_swap_out);

/*
 * A fault that has locked the reservation, possibly after a wait, and has allocated the page whose
 * number is page or read it from swap, unless another thread had done so. ns is the duration of all
 * this.
 */
TRACE_EVENT(barium_slow_fault,
	TP_PROTO(struct drm_gem_object *obj, u32 place, u64 page, u64 ns),
	TP_ARGS(obj, place, page, ns),
	TP_STRUCT__entry(
		__field(u32, minor)
		__field(u32, place)
		__field(u64, object)
		__field(u64, pages)
		__field(u64, page)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->minor = obj->dev->primary->index;
		__entry->place = place;
		__entry->object = drm_vma_node_offset_addr(&obj->vma_node);
		__entry->pages = obj->size >> PAGE_SHIFT;
		__entry->page = page;
		__entry->ns = ns;
	),
	TP_printk("minor=%u object=%#llx pages=%llu place=%s page=%llu ns=%llu",
		  __entry->minor, __entry->object, __entry->pages,
		  barium_show_place(__entry->place),
		  __entry->page, __entry->ns)
);

#endif /* _BARIUM_TRACE_H */

/* Kbuild adds the directory of this file to the search path of trace.c. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
