/*
 * execution.h
 *		What can be done to one execution.
 */
#ifndef CONSOLE_EXECUTION_H
#define CONSOLE_EXECUTION_H

#include "http.h"

/*
 * Appends the forms of what the role may do to an execution of this status; paused: by a
 * pause of its own.
 */
extern void append_actions(Request *request, PQExpBuffer out, const char *id, const char *status,
						   bool paused);

/* Appends the form of a migration; previewed: what it would change has been shown. */
extern void append_migrate(Request *request, PQExpBuffer out, const char *id, bool previewed);
/* POST /execution/ID/migrate */
extern void migrate_post(Request *request, Reply *reply, const char *id);

#endif							/* CONSOLE_EXECUTION_H */
