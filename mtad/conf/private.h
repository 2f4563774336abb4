/*
 * What the files of conf/ share: the raw settings, the master.cf lines, the values of a view, the file store.
 */
#ifndef CONF_PRIVATE_H
#define CONF_PRIVATE_H

#include "base/map.h"
#include "conf/conf.h"
#include "conf/expand.h"
#include "conf/lines.h"

/* name = value as read; both are one allocation's. */
struct setting {
	char		*name;
	char		*value;
	unsigned	 line;		/* 0: from the command line */
};

/* What a view reads: one entry a parameter, evaluated at load. */
union value {
	const char	*str;
	int64_t		 num;
};
struct values {
	union value	 of[PARAM_COUNT];
};

struct view {
	struct conf	*conf;
	const struct service *service;	/* NULL: main.cf's own */
	struct map	 overrides;	/* of struct setting; -o of the line */
	struct values	*values;	/* main's own where there is no -o */
};

/* A master.cf line and what was parsed from it. */
struct line {
	struct service	 service;
	struct view	 view;
	char		**words;	/* the strings that service points to; NULL-terminated */
};

/* The bytes of a file that the configuration names. */
struct conf_file {
	char		*path;
	char		*data;
	size_t		 len;
};

/* Defaults that the host gives, and its addresses (which are no parameter). */
enum host_value { HOST_NAME, HOST_DOMAIN, HOST_NETWORKS, HOST_ADDRESSES, HOST_COUNT };
extern const char *const host_names[HOST_COUNT];

struct conf {
	unsigned	 refs;
	char		*dir;
	struct map	 settings;	/* of struct setting */
	struct setting	*host[HOST_COUNT];	/* computed from the host; may be NULL */
	struct view	 main;
	struct line	**lines;
	size_t		 line_count;
	struct map	 strings;	/* of char *: every expanded string once */
	struct map	 files;		/* of struct conf_file */
	size_t		 file_bytes;
};

#define CONF_TEXT_MAX	((size_t)4 << 20)	/* of main.cf, of master.cf */
#define CONF_VALUE_MAX	((size_t)1 << 20)	/* of one value, expanded */
#define CONF_FILES_MAX	((size_t)16 << 20)	/* of all files together */
#define CONF_LIST_SEPS	"\t\r\n ,"

struct setting *setting_new(struct span name, struct span value, unsigned line);
void	setting_free(struct setting *);
struct span setting_key(const void *);
void	settings_clear(struct map *);

/* The value of a setting that is in no view: overrides first, then main.cf, computed, catalogue. */
const char *view_raw(const struct view *, struct span name, const struct setting **where);
bool	view_expand(const struct view *, struct span text, struct buf *, struct err *);

/* Shares the string: equal ones are kept once, as long as the conf. */
const char *conf_intern(struct conf *, struct span);

void	main_cf_parse(struct conf *, struct span text, const char *file, struct conf_problems *);
void	line_free(struct line *);	/* all but the values */
void	master_cf_parse(struct conf *, struct span text, const char *file, struct conf_problems *);
extern const char master_cf_builtin[];
void	host_compute(struct conf *);
/* The values of main.cf's view, then of every line's. */
void	values_evaluate(struct conf *, struct conf_problems *);
/* Takes the lines that master_service_disable names away. */
void	services_disable(struct conf *, struct conf_problems *);
void	values_check_names(const struct conf *, struct conf_problems *);
bool	conf_slurp(const char *path, struct buf *, struct err *);
/* False where the path is there already, or the bounds are passed. */
bool	conf_file_add(struct conf *, struct span path, struct span data);
void	files_read(struct conf *, struct conf_problems *);
struct conf *conf_new(const char *dir);

/* One value of a parameter's type; false with the err. */
bool	value_parse(const struct param_row *, struct span text, union value *, struct err *);
/* The default unit of a time: the unit that the default is written with. */
char	value_unit(const struct param_row *);

/* Parameters that every transport has under its own name: "_destination_concurrency_limit" and the like. */
struct transport_param {
	const char	*suffix;
	enum param	 fallback;
	enum param_type	 type;
};
const struct transport_param *transport_param_find(struct span suffix);
/* Whether the name is that of a transport in master.cf and such a suffix; then *row is filled. */
bool	transport_param_split(const struct conf *, struct span name, const struct transport_param **);

#endif
