/*
 * The three grades of trouble. panic: a caller's bug, ends the process with a
 * core. fatal: the environment at start; ends the process with exit 75 or the status given,
 * and the master restarts a role. The expected: a function returns false or
 * NULL and fills a struct err, whose text is written once, where it happens.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdnoreturn.h>

enum err_kind {
	ERR_NONE,
	ERR_TEMP,	/* may go away by itself: 4xx, defer, exit 75 */
	ERR_PERM,	/* will not: 5xx, bounce, exit 65 */
	ERR_SYS,	/* this machine or its configuration is at fault */
};

struct err {
	enum err_kind	 kind;
	char		 text[256];
};

/* All three may be given NULL for the err, and do nothing then. */
void	err_set(struct err *, enum err_kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As err_set with kind ERR_SYS; appends ": " and the text of the errno at the call. */
void	err_sys(struct err *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts context and ": " before a text that is there already. */
void	err_prefix(struct err *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

noreturn void	panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
noreturn void	fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
noreturn void	fatal_exit(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Where the last words go: by default "PROGRAM: panic: ..." to stderr; log.c
 * puts itself here. Called with level "fatal" or "panic".
 */
extern void	(*err_last_words)(const char *level, const char *text);

#endif
