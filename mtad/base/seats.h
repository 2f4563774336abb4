/*
 * How many sessions each service has, over all receive processes: a table in memory that they share, a column each. A session takes a seat of its service and
 * gives it back; of a process that is gone the master clears the column. Nobody waits for anybody: where two ask for the last seat at once, both may have to ask again.
 */
#ifndef BASE_SEATS_H
#define BASE_SEATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define SEATS_COLUMNS	32

struct seats;
struct seats_row;

int	seats_new(struct err *);			/* a descriptor to hand out, or -1 */
struct seats *seats_map(int fd, struct err *);		/* the caller keeps the descriptor; NULL with the err */
void	seats_unmap(struct seats *);			/* NULL is fine */
/* The row by its name, made where there is none; NULL where the table is full (or NULL). */
struct seats_row *seats_row(struct seats *, struct span name);
/* A seat in this column, where over all columns fewer than `limit` (0: no limit) are taken. */
bool	seats_take(struct seats_row *, uint32_t column, uint32_t limit);
void	seats_give(struct seats_row *, uint32_t column);
uint32_t seats_taken(const struct seats_row *);
/* When the last seat was taken, or wanted in vain, last (monotonic); 0: never. The caller notes it. */
void	seats_note_full(struct seats_row *, int64_t now);
int64_t	seats_full_at(const struct seats_row *);
/* Somebody waits for a seat for too long (monotonic): processes give those back that they can do without. */
void	seats_want(struct seats *, struct seats_row *, int64_t now);
int64_t	seats_wanted_at(const struct seats_row *);
int64_t	seats_any_wanted_at(const struct seats *);
void	seats_clear(struct seats *, uint32_t column);

#endif
