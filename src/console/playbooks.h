/*
 * playbooks.h
 *		What the pages about playbooks share.
 */
#ifndef CONSOLE_PLAYBOOKS_H
#define CONSOLE_PLAYBOOKS_H

#include "http.h"

/* Appends what noetl.validate() says of a source. */
extern void append_lint(Request *request, PQExpBuffer out, const char *content);

#endif							/* CONSOLE_PLAYBOOKS_H */
