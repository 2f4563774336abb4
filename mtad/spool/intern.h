/*
 * Texts that many have in common, each kept once and counted: a number of 4 bytes stands for one. Numbers of texts that nobody has any more are used again.
 */
#ifndef SPOOL_INTERN_H
#define SPOOL_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/span.h"

struct intern_text;

struct intern {
	struct map	 map;
	struct intern_text **items;
	uint32_t	 count, cap, free;
	size_t		 bytes;		/* about what the texts take */
};

void	intern_init(struct intern *);
void	intern_clear(struct intern *);
/* The text's number, counted once more; 0 for an empty text. At most 65,535 bytes. With `room` texts that are not there yet are not taken past so many bytes: 0. */
uint32_t intern_ref(struct intern *, struct span text, size_t room);
void	intern_unref(struct intern *, uint32_t number);	/* 0 is fine */
/* Empty for 0. Valid while somebody has it. */
struct span intern_text(const struct intern *, uint32_t number);
uint32_t intern_count(const struct intern *, uint32_t number);

#endif
