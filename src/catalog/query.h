/*
 * catalog/query.h
 *		Queries of the catalog's tables through kept plans, as their owner.
 */
#ifndef NOETL_CATALOG_QUERY_H
#define NOETL_CATALOG_QUERY_H

#include "executor/spi.h"
#include "utils/snapshot.h"

typedef struct CatalogQuery
{
	const char *text;
	int			nargs;
	Oid			types[6];
	SPIPlanPtr	plan;
} CatalogQuery;

/* The user to return to. */
typedef struct OwnerSwitch
{
	Oid			user;
	int			context;
} OwnerSwitch;

/* Connects to SPI as the tables' owner; *before: the user until now. */
extern void catalog_begin_as_owner(OwnerSwitch *before);

/* Disconnects and returns to the user of before; an error does so by itself. */
extern void catalog_end_as_owner(const OwnerSwitch *before);

/* Runs a query, whose plan is kept for the session; raises on another result. */
extern void catalog_run(CatalogQuery *query, Datum *values, Snapshot snapshot, int expected);

/*
 * Reads path (in CurrentMemoryContext) and version of a row from the table.  Returns false
 * when there is no such row.
 */
extern bool catalog_read_description(int64 catalog_id, const char **path, int *version);

/* Returns the owner of noetl.catalog. */
extern Oid	catalog_owner(void);

/* Waits for other transactions that register the same path; later ones wait for us. */
extern void catalog_serialise_path(text *path);

#endif							/* NOETL_CATALOG_QUERY_H */
