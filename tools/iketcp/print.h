/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Output: colours, and what text and JSON share.
 */
#ifndef TOOL_PRINT_H
#define TOOL_PRINT_H

#include <jansson.h>

#include "parse.h"

enum color { COLOR_V4, COLOR_V6, COLOR_GOOD, COLOR_BAD, COLOR_HEAD };

void print_color(enum color color, const char *text);
void print_endpoint(const struct endpoint *endpoint);
void print_break(void);
void print_json(json_t *json);

json_t *json_endpoint(const struct endpoint *endpoint);
json_t *json_unsigned(unsigned long long value);
void json_add(json_t *object, const char *key, json_t *value);

const char *role_name(unsigned int role);
int role_parse(const char *text);
const char *mode_name(unsigned int mode);

#endif
