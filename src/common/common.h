/*
 * common/common.h
 *		The prelude that every file includes first: differences between
 *		PostgreSQL versions, and the helpers that belong to no other room.
 *
 * The functions form families, one a file: json_ (json_build.h), name_table_,
 * text_array_, word_, double_text, source_error, guc_, shared_area_ (shmem.h), rows_
 * (srf.h), and the ids of time_id.h.
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
 * Only the entry points are visible to other libraries. PostgreSQL 16 and
 * later mark entry points; earlier versions mark them on Windows only.
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

/*
 * pg_noreturn is a prefix from PostgreSQL 18 on; this source writes it so for
 * every version.
 */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/*
 * Classes of the heavyweight locks of the extension: field4 of an advisory
 * lock tag, of which the SQL functions use 1 and 2. pg_locks shows it as
 * objsubid.
 */
#define LOCK_CLASS_PATH			0x6e01	/* registering versions of a path */
#define LOCK_CLASS_CATALOG		0x6e02	/* starting or deleting a version */
#define LOCK_CLASS_EXECUTION	0x6e03	/* deciding on an execution */
#define LOCK_CLASS_WAITERS		0x6e04	/* idle workers */
#define LOCK_CLASS_IDS			0x6e05	/* reserving time for new ids */
#define LOCK_CLASS_RUNTIME		0x6e06	/* a worker's row of noetl.runtime */
#define LOCK_CLASS_MESSAGES		0x6e11	/* keeping and taking messages of a name and a key */
#define LOCK_CLASS_LIMIT		0x6e13	/* handing out slots of a limit */
#define LOCK_CLASS_ENDS			0x6e12	/* waiting for the end of an execution */
#define LOCK_CLASS_CHANGES		0x6e15	/* waiting for an event of any execution */

#include "common/bounds.h"
#include "common/cron.h"
#include "common/double_text.h"
#include "common/guc.h"
#include "common/injection.h"
#include "common/json_build.h"
#include "common/labels.h"
#include "common/name_table.h"
#include "common/role.h"
#include "common/settings.h"
#include "common/shmem.h"
#include "common/source_error.h"
#include "common/srf.h"
#include "common/text_array.h"
#include "common/time_id.h"
#include "common/time_text.h"
#include "common/word.h"

#endif							/* NOETL_COMMON_COMMON_H */
