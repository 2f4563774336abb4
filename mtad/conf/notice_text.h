/*
 * The texts of notices as a view has them: those of its bounce_template_file over our own, with $name filled in. Follows bounce(5).
 */
#ifndef CONF_NOTICE_TEXT_H
#define CONF_NOTICE_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "mail/notice_template.h"

struct notice_texts {
	struct notice_templates templates;	/* spans into the conf's file */
	struct buf	 expanded[TEMPLATES];
};

/* Never without texts: what is wrong in the file is told, and our own stand in its place. The conf must outlive it. */
void	notice_texts_make(struct notice_texts *, const struct view *, notice_template_fault *, void *arg);
/* The same of a file that the caller has read, and that must outlive it. False where the file as a whole, or a text, could not be used. */
bool	notice_texts_of(struct notice_texts *, const struct view *, struct span file, notice_template_fault *, void *arg);
void	notice_texts_clear(struct notice_texts *);

/* What is wrong with the file of the bounce service, as warnings: notices have our own texts then. */
void	notice_texts_check(const struct conf *, struct conf_problems *);

#endif
