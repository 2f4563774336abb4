#include "unit/local/sample.h"

#include <dirent.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/message.h"
#include "spool/record.h"
#include "spool/writer.h"

void
sample_dir(char dir[64])
{
	strcpy(dir, "/tmp/mtad-local-XXXXXX");
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) != 0)
		abort();
}

void
sample_clean(const char *dir)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	if (system(command) != 0)
		abort();
}

struct conf *
sample_conf(const char *const settings[])
{
	struct conf_override over[16] = { 0 };
	char *copies[16];
	size_t n = 0;
	for (; settings[n] != NULL; n++) {
		copies[n] = strdup(settings[n]);
		char *eq = strchr(copies[n], '=');
		*eq = '\0';
		over[n] = (struct conf_override){ copies[n], eq + 1 };
	}
	struct conf_problems problems = { 0 };
	struct conf *conf = conf_load("/nonexistent", over, n, &problems);
	if (conf == NULL) {
		struct buf b = BUF_INIT(0);
		conf_problems_print(&problems, &b);
		fputs(b.ptr, stderr);
		abort();
	}
	conf_problems_clear(&problems);
	while (n > 0)
		free(copies[--n]);
	return conf;
}

struct loc
sample_message(int fd, const char *header, struct span body, bool spill, int *spill_fd)
{
	struct envelope e = { .id = { 1000000, 1 }, .arrival = 1, .size = body.len, .spill = spill ? 7 : 0 };
	struct recipient r = { .address = SPAN("x@example.org") };
	struct buf packed = BUF_INIT(0), head = BUF_INIT(0), record = BUF_INIT(0);
	struct iovec iov[MESSAGE_IOV];
	recipient_pack(&packed, &r);
	e.recipients = buf_view(&packed);
	e.recipient_count = 1;
	*spill_fd = -1;
	if (spill) {
		*spill_fd = memfd_create("spill", 0);
		if (write(*spill_fd, body.ptr, body.len) != (ssize_t)body.len)
			abort();
	}
	int n = message_layout(&head, &e, span_str(header), spill ? SPAN_NONE : body, spill ? body.len : 0, iov);
	buf_put(&record, "00000000000000000000000000000000", RECORD_HEADER);
	for (int i = 0; i < n; i++)
		buf_put(&record, iov[i].iov_base, iov[i].iov_len);
	struct record_head h = { .type = RECORD_MESSAGE, .length = (uint32_t)(record.len - RECORD_HEADER), .sequence = 1 };
	record_finish((unsigned char *)record.ptr, SAMPLE_NONCE, 4096, &h);
	if (pwrite(fd, record.ptr, record.len, 4096) != (ssize_t)record.len)
		abort();
	struct loc loc = loc_make(1, 4096, (uint32_t)record.len);
	buf_clear(&packed);
	buf_clear(&head);
	buf_clear(&record);
	return loc;
}

char *
sample_read(const char *path)
{
	struct buf b = BUF_INIT(0);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return NULL;
	buf_str(&b, "");
	for (int c; (c = getc(f)) != EOF;)
		buf_char(&b, (char)c);
	fclose(f);
	return buf_take(&b);
}

char *
sample_only_file(const char *dir)
{
	char found[1024] = "";
	int count = 0;
	DIR *d = opendir(dir);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(found, sizeof found, "%s/%s", dir, e->d_name);
		count++;
	}
	if (d != NULL)
		closedir(d);
	return count == 1 ? strdup(found) : NULL;
}

const char *
sample_user(void)
{
	struct passwd *pw = getpwuid(geteuid() == 0 ? 65534 : geteuid());
	return pw == NULL ? "nobody" : pw->pw_name;
}
