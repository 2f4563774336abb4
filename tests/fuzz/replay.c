/*
 * Runs a fuzz target over files and folders of files given as arguments: the seeds and what fuzzing found
 * before, as a plain test without clang.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int files;

static void
run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	static uint8_t data[1 << 20];

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	size_t n = fread(data, 1, sizeof data, f);
	fclose(f);
	uint8_t *copy = malloc(n == 0 ? 1 : n);	/* exact size: reads past it are seen */
	if (copy == NULL)
		abort();
	for (size_t i = 0; i < n; i++)
		copy[i] = data[i];
	(void)LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	files++;
}

static void
run_folder(const char *folder)
{
	struct dirent *e;
	char path[4096];
	DIR *d = opendir(folder);

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path)
			run_file(path);
	}
	closedir(d);
}

int
main(int argc, char **argv)
{
	struct stat st;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			run_folder(argv[i]);
		else
			run_file(argv[i]);
	}
	printf("%d inputs\n", files);
	return 0;
}
