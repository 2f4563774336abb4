/*
 * A span is a view of bytes that somebody else owns; it is not terminated and
 * may hold any byte. Parsers take spans and hand out spans into their input.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char	*ptr;
	size_t		 len;
};

#define SPAN(literal)	((struct span){ "" literal, sizeof(literal) - 1 })
#define SPAN_NONE	((struct span){ NULL, 0 })
/* For printf: "%.*s", SPAN_ARG(s). */
#define SPAN_ARG(s)	(int)(s).len, (s).len == 0 ? "" : (s).ptr

static inline struct span
span_of(const void *ptr, size_t len)
{
	return (struct span){ ptr, len };
}

/* NULL gives the empty span. */
static inline struct span
span_str(const char *s)
{
	return (struct span){ s, s == NULL ? 0 : strlen(s) };
}

bool	span_eq(struct span, struct span);
bool	span_eqs(struct span, const char *);
/* ASCII case folding, in these and wherever a name says "case". */
bool	span_caseeq(struct span, struct span);
bool	span_caseeqs(struct span, const char *);
bool	span_starts(struct span, const char *prefix);
bool	span_casestarts(struct span, const char *prefix);
bool	span_ends(struct span, const char *suffix);
/* Bytewise order, a prefix first; like memcmp. */
int	span_cmp(struct span, struct span);
int	span_casecmp(struct span, struct span);

/* The place of the first such byte (or of the last), or s.len where there is none. */
size_t	span_find(struct span s, char c);
size_t	span_rfind(struct span s, char c);
bool	span_has(struct span s, char c);

/* Without the first n bytes (at most all of them); the first n bytes. */
struct span span_skip(struct span, size_t n);
struct span span_head(struct span, size_t n);

/* Without space, tab, CR and LF at both ends; at the start; at the end. */
struct span span_trim(struct span);
struct span span_ltrim(struct span);
struct span span_rtrim(struct span);

/*
 * Takes what stands before the first `sep` off the front of *rest into *head, and drops the separator.
 * Without a separator *head is everything. False once *rest has been used up (its ptr is NULL then);
 * an empty field is still a field.
 */
bool	span_cut(struct span *rest, char sep, struct span *head);

/* The next run of bytes not in `seps` off the front of *rest; false when there is none. Lists in main.cf are "\t\r\n ,". */
bool	span_word(struct span *rest, const char *seps, struct span *word);

bool	span_is_ascii(struct span);
/* "(...)" or "{...}" off the front of *rest, the inside without them: only its own kind is counted within. False (nothing taken): it never ends. */
bool	span_group(struct span *rest, struct span *inside);
/* What letters, digits and "_" it begins with, off the front: a parameter's name. */
struct span span_name(struct span *rest);

/* A NUL-terminated copy on the heap; bytes after an inner NUL are kept but unseen by C strings. */
char	*span_dup(struct span);

#endif
