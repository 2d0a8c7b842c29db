/*
 * common/common.h
 *		What every file of the extension shares: GUCs and the differences
 *		between PostgreSQL versions.
 */
#ifndef NOETL_COMMON_COMMON_H
#define NOETL_COMMON_COMMON_H

#include "postgres.h"

#if PG_VERSION_NUM < 140000
#error "noetl needs PostgreSQL 14 or later"
#endif
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "fmgr.h"

/* PostgreSQL 18 spells it as a prefix; so do we, everywhere. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/*
 * What our heavyweight locks are about: field4 of an advisory lock tag, of
 * which the SQL functions use 1 and 2.  pg_locks shows it as objsubid.
 */
#define LOCK_CLASS_PATH			0x6e01	/* registering versions of a path */
#define LOCK_CLASS_CATALOG		0x6e02	/* starting or deleting a version */
#define LOCK_CLASS_EXECUTION	0x6e03	/* deciding on an execution */
#define LOCK_CLASS_WAITERS		0x6e04	/* idle workers */

#include "common/guc.h"

#endif							/* NOETL_COMMON_COMMON_H */
