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

/*
 * Entry points are visible, nothing else is.  PostgreSQL 16 and later mark them;
 * before, only Windows knew the mark.
 */
#if PG_VERSION_NUM < 160000 && defined(__GNUC__)
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record * CppConcat(pg_finfo_,funcname)(void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_,funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = { 1 }; \
	return &my_finfo; \
} \
extern int no_such_variable
#endif

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

#include "common/double_text.h"
#include "common/guc.h"
#include "common/json_build.h"
#include "common/name_table.h"
#include "common/shmem.h"
#include "common/source_error.h"
#include "common/srf.h"
#include "common/time_id.h"
#include "common/word.h"

#endif							/* NOETL_COMMON_COMMON_H */
