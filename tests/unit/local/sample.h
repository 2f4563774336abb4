/* For the tests of the local role: a configuration, a message in a segment, a place for mailboxes. */
#ifndef UNIT_LOCAL_SAMPLE_H
#define UNIT_LOCAL_SAMPLE_H

#include "conf/conf.h"
#include "local/job.h"

#define SAMPLE_NONCE	0x1122334455667788u

/* A fresh directory, the path of which is `dir`; removed by sample_clean. */
void	sample_dir(char dir[64]);
void	sample_clean(const char *dir);
/* main.cf's own values with these over them; "name=value", NULL-terminated. */
struct conf *sample_conf(const char *const settings[]);
/* Writes a record into the file and returns where. A body over `inline_max` goes to *spill_fd. */
struct loc sample_message(int fd, const char *header, struct span body, bool spill, int *spill_fd);
/* All of a file, on the heap. */
char	*sample_read(const char *path);
/* The one file in that directory; NULL where there is not exactly one. On the heap. */
char	*sample_only_file(const char *dir);
/* The user that tests deliver to: this one, or nobody where it is root. */
const char *sample_user(void);

#endif
