/*
 * What the store's own files share. Not for others.
 */
#ifndef SPOOL_STORE_PRIVATE_H
#define SPOOL_STORE_PRIVATE_H

#include <stdio.h>

#include "base/loop.h"
#include "spool/jobs.h"
#include "spool/store.h"

struct kept {				/* a segment's file */
	struct store_segment s;
	int		 fd;		/* ready: O_RDWR; granted: O_RDONLY, or -1 until asked for */
};

struct kept_list {
	struct kept	**at;
	uint32_t	 count, room;
};

struct spill {
	uint64_t	 number;
	int		 fd;
};

struct damaged {
	struct damaged	*next;
	char		 name[32];
	char		 why[160];
};

/* Bounds below which numbers may be used; kept in the file `numbers`. */
struct numbers {
	uint32_t	 segment;
	uint64_t	 spill;
};

struct store {
	struct store_config config;
	enum store_mode	 mode;
	const struct store_ops *ops;
	void		*arg;
	int		 dir, segments, spill, lock;
	unsigned char	 uuid[SPOOL_UUID];

	struct kept_list granted;	/* by number */
	struct kept_list ready;		/* the same */
	struct kept_list leftover;	/* found at the start: prepared, or half recycled */
	struct damaged	*damaged;
	uint64_t	*found_spills;	/* at the start, by number */
	uint32_t	 found_count;
	struct spill	*spills;	/* ready */
	uint32_t	 spill_count;

	struct jobs	*jobs;		/* segments and spill files */
	struct jobs	*checkpoints;
	struct loop_timer again;	/* after a failure */
	uint32_t	 making;	/* segments that will be ready when their jobs are done */
	uint32_t	 making_spills;
	uint32_t	 next_segment;
	uint64_t	 next_spill;
	bool		 wants_segment, wants_spill, paused, closing;

	/* The helper thread's while it runs. */
	struct numbers	 bound;
};

/* store_open.c */
bool	store_read_numbers(struct store *, struct err *);
/* Writes a file beside `name` and renames it; everything synced. Blocks. */
bool	store_write_file(int dir, const char *name, const char *temporary, struct span, struct err *);

/* store_list.c */
void	kept_add(struct kept_list *, struct kept *);	/* by number */
struct kept *kept_get(const struct kept_list *, uint32_t number);
struct kept *kept_remove(struct kept_list *, uint32_t number);	/* NULL where it is not there */
void	kept_free(struct kept_list *);

/* store_make.c: keeps as many ready as the configuration says. */
void	store_refill(struct store *);
void	store_recycle(struct store *, struct kept *);	/* takes it: recycled, or removed where enough are ready */
void	store_write_seal(struct store *, const struct kept *);
void	store_remove_later(struct store *, int dir, const char *name);

#define STORE_NAME	32
static inline void
store_segment_name(uint32_t number, char out[STORE_NAME])
{
	(void)snprintf(out, STORE_NAME, "%08x", number);
}
static inline void
store_spill_name(uint64_t number, char out[STORE_NAME])
{
	(void)snprintf(out, STORE_NAME, "%016llx", (unsigned long long)number);
}

#endif
