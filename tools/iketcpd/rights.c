// SPDX-License-Identifier: GPL-2.0
/*
 * The rights that are kept: CAP_NET_ADMIN for the ULP and the sockets' policies,
 * CAP_NET_BIND_SERVICE for port 443, CAP_NET_RAW to see UDP. A reload takes them,
 * too.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "rights.h"

static const unsigned char kept[] = { CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_NET_RAW };

/* Those of them that there are, and no others. */
static int keep(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};
	unsigned int mask = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kept); i++)
		mask |= CAP_TO_MASK(kept[i]);
	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	data[0].permitted &= mask;
	data[0].effective = data[0].permitted;
	data[0].inheritable = 0;
	memset(&data[1], 0, sizeof(data[1]));
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_capset, &header, data);
}

/**
 * rights_keep() - gives up all rights but those that are needed
 * @user: whom to become; NULL: it is not root who runs it
 *
 * Return: -1 if not, which was said.
 */
int rights_keep(const struct passwd *user)
{
	if (user && (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
		     setgroups(0, NULL) < 0 ||
		     setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
		     setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)) {
		complain("user %s: %s", user->pw_name, strerror(errno));
		return -1;
	}
	if (keep() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		complain("capabilities: %s", strerror(errno));
		return -1;
	}
	return 0;
}
