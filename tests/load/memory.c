// SPDX-License-Identifier: GPL-2.0
/* Counters, and what is in the kernel's memory. */
#include "load.h"

#include <dirent.h>
#include <fcntl.h>

static FILE *net_open(enum host host, const char *file)
{
	char path[64];

	/* /proc/net would be that of the first thread. */
	enter(host);
	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", file);
	return fopen(path, "re");
}

unsigned long stat_get(enum host host, const char *file, const char *name)
{
	FILE *f = net_open(host, file);
	unsigned long value, found = 0;
	char word[64];

	if (!f)
		return 0;
	while (fscanf(f, "%63s %lu", word, &value) == 2)
		if (!strcmp(word, name))
			found = value;
	fclose(f);
	return found;
}

unsigned long xfrm_faults(enum host host, char *line, size_t len)
{
	FILE *f = net_open(host, "xfrm_stat");
	unsigned long value, sum = 0;
	char word[64];
	size_t n = 0;

	line[0] = 0;
	if (!f)
		return 0;
	while (fscanf(f, "%63s %lu", word, &value) == 2) {
		if (!value)
			continue;
		sum += value;
		if (n < len)
			n += snprintf(line + n, len - n, " %s=%lu", word,
				      value);
	}
	fclose(f);
	return sum;
}

/* WHAT is "inuse", "orphan", "tw", "alloc" or "mem", of TCP. */
long sockets_in_use(enum host host, const char *what)
{
	FILE *f = net_open(host, "sockstat");
	char line[256], *at;
	long found = -1;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "TCP:", 4))
			continue;
		at = strstr(line, what);
		if (at)
			found = strtol(at + strlen(what), NULL, 10);
	}
	fclose(f);
	return found;
}

long module_refs(void)
{
	FILE *f = fopen("/sys/module/iketcp/refcnt", "re");
	long n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		diag("%s: %s", path, strerror(errno));
	close(fd);
}

/* KASAN's quarantine, too, is given back by that. */
static void shrink(void)
{
	DIR *d = opendir("/sys/kernel/slab");
	struct dirent *e;
	char path[512];

	put("/proc/sys/vm/drop_caches", "3");
	while (d && (e = readdir(d))) {
		/* A link is another name of a cache that is merged. */
		if (e->d_name[0] == '.' || e->d_type == DT_LNK)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink",
			 e->d_name);
		put(path, "1");
	}
	if (d)
		closedir(d);
}

static struct memory memory_take(void)
{
	long total = 0, not_used = 0, value;
	FILE *f = fopen("/proc/meminfo", "re");
	struct memory m = { 0, 0 };
	char word[64];

	if (!f)
		die("no /proc/meminfo");
	while (fscanf(f, "%63s %ld%*[^\n]", word, &value) == 2) {
		if (!strcmp(word, "MemTotal:"))
			total = value;
		else if (!strcmp(word, "MemFree:") ||
			 !strcmp(word, "Buffers:") || !strcmp(word, "Cached:"))
			not_used += value;
		else if (!strcmp(word, "Slab:"))
			m.slab = value;
	}
	fclose(f);
	m.used = total - not_used;
	return m;
}

/*
 * Until two looks say the same, more or less. By then what is given back after two
 * idle seconds has been.
 */
struct memory memory_settled(void)
{
	struct memory m, last;
	int i;

	msleep(2500);
	shrink();
	last = memory_take();
	for (i = 0; i < 20; i++) {
		msleep(1500);
		shrink();
		m = memory_take();
		if (labs(m.used - last.used) < 256)
			break;
		last = m;
	}
	return m;
}

void slabs_take(struct slabs *s)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	char line[512];

	s->n = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (s->n < MAX_SLABS &&
		    sscanf(line, "%39s %ld", s->of[s->n].name,
			   &s->of[s->n].objects) == 2 && line[0] != '#')
			s->n++;
	}
	if (f)
		fclose(f);
}

/* What lives by what a user of this machine does, not by connections. */
static bool is_noise(const char *name)
{
	static const char *const names[] = {
		"dentry", "inode_cache", "proc_inode_cache", "kernfs_node",
		"shmem_inode_cache", "ovl_inode", "v9fs_inode_cache",
		"buffer_head", "radix_tree_node", "vm_area_struct", "maple_",
		"anon_vma", "filp", "sock_inode_cache", "task_struct", "vma_",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return strcmp(name, "filp") &&
			       strcmp(name, "sock_inode_cache");
	return false;
}

bool slabs_same(const struct slabs *before, long most, unsigned int seconds)
{
	uint64_t end = now_ms() + 1000ull * seconds;
	static struct slabs after;
	bool last = false, same;
	unsigned int i, j;

	if (!before->n)
		die("no /proc/slabinfo");
	for (;;) {
		shrink();
		slabs_take(&after);
		same = true;
		for (i = 0; i < after.n; i++) {
			long n = after.of[i].objects;

			for (j = 0; j < before->n; j++)
				if (!strcmp(after.of[i].name,
					    before->of[j].name))
					n -= before->of[j].objects;
			if (n <= most || is_noise(after.of[i].name))
				continue;
			same = false;
			if (last)
				diag("%s: %ld objects more than before",
				     after.of[i].name, n);
		}
		if (same || last)
			return same;
		last = now_ms() >= end;
		msleep(500);
	}
}
