/*
 * postconf: the files as they are written, read here and not through the configuration: it must show one that is wrong too.
 */
#ifndef MTACTL_POSTFIX_CONF_H
#define MTACTL_POSTFIX_CONF_H

#include "mtactl/postfix.h"

struct setting_text {
	char		*name, *value;	/* of main.cf, or of -o */
	bool		 used;		/* known, or named by another value */
};

#define MASTER_FIELDS	8	/* service, type, private, unprivileged, chroot, wakeup, process_limit, command */
struct master_setting {
	char		*name, *value;	/* of -o */
};
struct master_text {
	char		*fields[MASTER_FIELDS];
	struct master_setting *settings;
	size_t		 count;
};

struct postconf {
	struct postfix	*postfix;
	struct conf	*defaults;	/* what holds for what is not set */
	struct setting_text *settings;
	size_t		 count;
	struct master_text *services;
	size_t		 service_count;
	bool		 only_set, only_defaults, no_name, no_value, expand;
	bool		 lenient;	/* a file that is missing is empty, as for mtad */
};

/* Both files, and which settings are used. 0, or a status and said. */
int	postconf_read(struct postconf *);
void	postconf_clear(struct postconf *);
struct setting_text *postconf_find(const struct postconf *, struct span name);
/* Whether it is the name of a transport of master.cf with a suffix; its default then. */
bool	postconf_transport(const struct postconf *, struct span name, struct buf *value);

/* The value as it is written, by what c->only_set and c->only_defaults say; false where there is none. */
bool	postconf_raw(const struct postconf *, struct span name, struct buf *value);
bool	postconf_expand(const struct postconf *, struct span raw, struct buf *, struct err *);
/* All that are known or set, in order; free(*names). */
size_t	postconf_names(const struct postconf *, const char ***names);

/* "name = value" with runs of white space as one blank. */
void	postconf_put(const struct postconf *, struct span name, struct span value);
void	postconf_words(struct buf *, struct span value);

/* postconf -M, -P: an exit status. */
int	postconf_master(const struct postconf *, int mode, char *const *requests, size_t n);

#endif
