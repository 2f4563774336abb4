/*
 * Causes: why recipients are deferred, as fingerprints of the replies, each kept once and counted.
 */
#ifndef SPOOL_INDEX_CAUSE_H
#define SPOOL_INDEX_CAUSE_H

#include "spool/index.h"

/* The cause of a reply text, counted once more; 0 for an empty text. */
uint32_t cause_ref(struct index *, struct span text);
/* The same from a fingerprint. */
uint32_t cause_ref_print(struct index *, struct span print);
void	cause_unref(struct index *, uint32_t cause);

#endif
