/*
 * diff.h
 *		What differs between two texts.
 */
#ifndef CONSOLE_DIFF_H
#define CONSOLE_DIFF_H

#include "text.h"

/* Appends the lines of both texts as a table: kept, removed, added. */
extern void diff_append(PQExpBuffer out, const char *before, const char *after);

#endif							/* CONSOLE_DIFF_H */
