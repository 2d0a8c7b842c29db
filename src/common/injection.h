/*
 * common/injection.h
 *		Points in the code at which a test stops a session, to let another one pass.
 *
 * INJECTION("lease-row") is nothing in an ordinary build.  In a build with "make
 * INJECTION=yes", which only test/injections.sh makes, it is PostgreSQL's injection point
 * "noetl-lease-row" where the server has such points (PostgreSQL 17 and later, configured
 * with --enable-injection-points).  Elsewhere a session whose setting noetl.injection
 * names the point waits there until it gets the advisory lock
 * (INJECTION_CLASS, hashtext('lease-row')), which another session holds meanwhile.
 *
 * A point must lie where the session may wait: not under an LWLock or a spinlock.
 * Functions of the schema "injection" in test/injection/specs/gates.spec hide which of the
 * two it is from the specifications.
 */
#ifndef NOETL_COMMON_INJECTION_H
#define NOETL_COMMON_INJECTION_H

#ifndef NOETL_INJECTION

#define INJECTION(name)			((void) 0)
#define injection_define()		((void) 0)

#elif PG_VERSION_NUM >= 170000 && defined(USE_INJECTION_POINTS)

#include "utils/injection_point.h"

#if PG_VERSION_NUM >= 180000
#define INJECTION(name)			INJECTION_POINT("noetl-" name, NULL)
#else
#define INJECTION(name)			INJECTION_POINT("noetl-" name)
#endif
#define injection_define()		((void) 0)

#else

#define INJECTION(name)			injection_wait(name)

/* The first number of the advisory locks of points. */
#define INJECTION_CLASS			4712

/* Waits at a point that this session has named, while another one holds its lock. */
extern void injection_wait(const char *name);
/* Defines the setting noetl.injection. */
extern void injection_define(void);

#endif

#endif							/* NOETL_COMMON_INJECTION_H */
