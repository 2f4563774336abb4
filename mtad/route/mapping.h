/*
 * What becomes of a new message's addresses: canonical(5), masquerading, virtual(5) aliases and BCC, as cleanup(8) does it. Functions of an address,
 * the configuration and facts; addresses are unquoted and in standard form (route_rewrite), in and out. The same code serves intake and mtactl route.
 */
#ifndef ROUTE_MAPPING_H
#define ROUTE_MAPPING_H

#include "route/route.h"

struct mapper;

/* Compiled tables of cleanup's view. The router is asked what is local, and must outlive it. NULL with the err: "NAME: what is wrong". */
struct mapper *mapper_new(struct conf *, const struct view *cleanup, const struct router *, struct err *);
void	mapper_free(struct mapper *);

enum map_class { MAP_ENVELOPE_SENDER, MAP_ENVELOPE_RECIPIENT, MAP_HEADER_SENDER, MAP_HEADER_RECIPIENT };
/* Whether mapper_canonical can change addresses of this class at all. */
bool	mapper_concerns(const struct mapper *, enum map_class);
/* Whether anything at all is done to recipients of the envelope: canonical, virtual or BCC. */
bool	mapper_expands(const struct mapper *);

/* FAULT: a table could not be asked, or leads nowhere: refuse for now (451), the err says why. */
enum map_status { MAP_DONE, MAP_PENDING, MAP_FAULT };

/* canonical_maps and its relatives, then masquerading. The result is put in place of what *out holds. */
enum map_status mapper_canonical(const struct mapper *, struct facts *, enum map_class, struct span address, struct buf *out,
    struct err *);

/* Addresses, one behind the other, each ended by a NUL. */
struct map_list {
	struct buf	 text;
	size_t		 count;
};
bool	map_list_next(struct span *rest, struct span *address);
void	map_list_clear(struct map_list *);

/* virtual_alias_maps, to the end: at least one address, in the order of the tables. In place of what the list holds. */
enum map_status mapper_virtual(const struct mapper *, struct facts *, struct span address, struct map_list *, struct err *);

/* Who gets a copy: of mail from, or to, the address. Puts it behind what *out holds, which is as it was where nobody does. */
enum map_status mapper_bcc(const struct mapper *, struct facts *, bool sender, struct span address, struct buf *out, struct err *);
/* always_bcc in standard form; empty: nobody. */
struct span mapper_always_bcc(const struct mapper *);

#endif
