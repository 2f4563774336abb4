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
	size_t		 rank;		/* its place on the line */
};
/* A line of master.cf. */
struct master_text {
	char		*fields[MASTER_FIELDS];	/* the last: the program alone */
	char		**words;	/* its arguments, without the braces of a group; "-o" is one, "name=value" the next */
	size_t		 word_count;
	size_t		 options;	/* so many words come before the first that is no option */
	struct master_setting *settings;
	size_t		 count;
};
extern const char *const master_field_names[MASTER_FIELDS];

enum postconf_class { CLASS_BUILTIN = 1, CLASS_SERVICE = 2, CLASS_USER = 4 };

struct postconf {
	const char	*tls_what;	/* -T */
	struct postfix	*postfix;
	struct conf	*defaults;	/* what holds for what is not set */
	struct setting_text *settings;
	size_t		 count;
	struct master_text *services;
	size_t		 service_count;
	bool		 only_set, only_defaults, no_name, no_value, expand, fold;
	unsigned	 classes;	/* of enum postconf_class; 0: all */
	bool		 of_master;	/* master.cf is what is asked for */
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

/* False where the line has not all the fields. */
bool	master_text_parse(struct master_text *, struct span line);
void	master_text_clear(struct master_text *);
/* Program and arguments as they would be written; -o settings as `c` expands them where that was asked for. */
void	master_text_command(const struct master_text *, const struct postconf *, bool fold, struct buf *);
/* The whole line, folded or not, without the newline at its end. */
void	master_text_line(const struct master_text *, const struct postconf *, bool fold, struct buf *);
/* "service/type/part" with "*" for any, against what is there; the part may be NULL. */
bool	master_text_fits(const struct master_text *, struct span request, const char *part);

/* "name = value" with runs of white space as one blank. */
void	postconf_put(const struct postconf *, struct span name, struct span value);
void	postconf_words(struct buf *, struct span value);

/* postconf_edit.c: -e, -X, -# on main.cf (mode p) or lines (M), fields (F), settings (P) of master.cf: an exit status. */
int	postconf_change(const struct postconf *, int mode, int what, char *const *args, size_t n);

/* postconf -b, -t; path NULL: the file that main.cf names. An exit status. */
int	postconf_notices(const struct postconf *, int mode, const char *path);

/* postconf -M, -P: an exit status. */
int	postconf_master(const struct postconf *, int mode, char *const *requests, size_t n);

#endif
