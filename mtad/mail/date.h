/*
 * Dates as mail writes them: "Sat, 21 Nov 2026 23:43:00 +0000 (UTC)", in the local zone, as Postfix prints them. Before a
 * chroot, call date_init, for the zone is read from a file.
 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include <stddef.h>
#include <stdint.h>

#define DATE_TEXT	64

void	date_init(void);
/* Writes the text and its NUL; returns its length. Cheap when the second is that of the call before. */
size_t	date_text(int64_t wall, char out[DATE_TEXT]);
/* "20261121234300", in UTC: the first part of a Message-ID. */
size_t	date_compact(int64_t wall, char out[DATE_TEXT]);
/* The form of mbox's From_ line, as asctime: "Sat Nov 21 23:43:00 2026". */
size_t	date_mbox(int64_t wall, char out[DATE_TEXT]);

#endif
