#include "unit/master/scratch.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

char scratch_dir[64];

int
scratch_make(void **state)
{
	(void)state;
	(void)snprintf(scratch_dir, sizeof scratch_dir, "/tmp/mtad-unit.XXXXXX");
	return mkdtemp(scratch_dir) == NULL ? -1 : 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int
scratch_remove(void **state)
{
	(void)state;
	return nftw(scratch_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
write_file(const char *name, const char *first, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", scratch_dir, name);
	FILE *f = fopen(path, "w");
	if (f == NULL)
		abort();
	fprintf(f, "%s%s\n", first, text);
	fclose(f);
}

struct conf *
scratch_conf(const char *main_cf, const char *master_cf)
{
	struct conf_problems problems = { 0 };
	char first[160];

	(void)snprintf(first, sizeof first, "queue_directory = %s/queue\n", scratch_dir);
	write_file("main.cf", first, main_cf);
	write_file("master.cf", "", master_cf);
	struct conf *conf = conf_load(scratch_dir, NULL, 0, &problems);
	for (size_t i = 0; i < problems.count; i++)
		fprintf(stderr, "%s\n", problems.items[i].text);
	conf_problems_clear(&problems);
	return conf;
}

int
scratch_free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sin;

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) < 0 || getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		abort();
	close(fd);
	return ntohs(sin.sin_port);
}
