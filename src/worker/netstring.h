/*
 * netstring.h
 *		Texts with their length in front ("5:hello,"): a value may contain any
 *		character.
 */
#ifndef NETSTRING_H
#define NETSTRING_H

#include "strbuf.h"

extern void add_netstring(StringBuf *sb, const char *text, size_t len);
extern char *take_netstring(char **cursor);

#endif							/* NETSTRING_H */
