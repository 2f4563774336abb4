/*
 * A machine made of text, for the linter's tests: files, and answers that the examples of rules.def ask for.
 */
#ifndef LINT_WORLD_H
#define LINT_WORLD_H

#include "lint/lint.h"

#define WORLD_DIR "/etc/mtad"

struct world {
	struct buf	 main_cf, master_cf;
	struct buf	 answers;	/* lines of "--- host" */
	struct buf	 files;		/* "--- file PATH" and lines */
	struct lint_host host;
};

/* The example on a sound base: its settings and services come first, and replace those of their names. */
void	world_init(struct world *, const char *example);
/* These texts and nothing else. */
void	world_texts(struct world *, struct span main_cf, struct span master_cf);
void	world_clear(struct world *);
/* world_pem.c: a file with a certificate as these words want it. */
void	world_pem(struct span words, struct buf *out);
void	world_lint(struct world *, struct lint_report *);

#endif
