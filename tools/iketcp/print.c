// SPDX-License-Identifier: GPL-2.0
/*
 * Output: colours, and what text and JSON share.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <linux/xfrm.h>

#include "address.h"
#include "print.h"
#include "tool.h"

/* As ip(8) has them, and bold for what a record begins with. */
static const char *const color_codes[] = {
	[COLOR_V4] = "\033[35m",
	[COLOR_V6] = "\033[34m",
	[COLOR_GOOD] = "\033[32m",
	[COLOR_BAD] = "\033[31m",
	[COLOR_HEAD] = "\033[1m",
};

void print_color(enum color color, const char *text)
{
	if (options.color)
		printf("%s%s\033[0m", color_codes[color], text);
	else
		fputs(text, stdout);
}

void print_endpoint(const struct endpoint *endpoint)
{
	char buf[ENDPOINT_MAX];

	print_color(endpoint->address.family == AF_INET6 ? COLOR_V6 : COLOR_V4,
		    endpoint_text(endpoint, buf, sizeof(buf)));
}

/* Within a record: the next line, or what ip(8) prints for it with -o. */
void print_break(void)
{
	fputs(options.oneline ? "\\    " : "\n    ", stdout);
}

/**
 * print_json() - prints a value and a line feed
 * @json: taken
 */
void print_json(json_t *json)
{
	size_t flags = options.pretty ? JSON_INDENT(4) : JSON_COMPACT;

	if (json_dumpf(must_have(json), stdout, flags) < 0)
		die(TOOL_FAILED, "cannot write JSON");
	putchar('\n');
	json_decref(json);
}

/* JSON's numbers are signed for jansson; none of ours gets that far. */
json_t *json_unsigned(unsigned long long value)
{
	return json_integer(value > LLONG_MAX ? LLONG_MAX : (json_int_t)value);
}

/**
 * json_add() - a member of an object
 * @object: the object
 * @key: its name
 * @value: taken
 */
void json_add(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, must_have(value)) < 0)
		die(TOOL_FAILED, "no memory");
}

json_t *json_endpoint(const struct endpoint *endpoint)
{
	json_t *object = must_have(json_object());
	char buf[ENDPOINT_MAX];

	json_add(object, "address",
		 json_string(address_text(&endpoint->address, buf, sizeof(buf))));
	json_add(object, "port", json_integer(endpoint->port));
	return object;
}

static const char *const roles[] = {
	[IKETCP_ROLE_PLAIN] = "plain",
	[IKETCP_ROLE_ORIGINATOR] = "originator",
	[IKETCP_ROLE_RESPONDER] = "responder",
	[IKETCP_ROLE_LISTENER] = "listener",
};

const char *role_name(unsigned int role)
{
	return role < ARRAY_SIZE(roles) ? roles[role] : "unknown";
}

int role_parse(const char *text)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(roles); i++) {
		if (!strcmp(roles[i], text))
			return (int)i;
	}
	return -1;
}

const char *mode_name(unsigned int mode)
{
	switch (mode) {
	case XFRM_MODE_TRANSPORT:
		return "transport";
	case XFRM_MODE_TUNNEL:
		return "tunnel";
	case XFRM_MODE_BEET:
		return "beet";
	default:
		return "unknown";
	}
}
