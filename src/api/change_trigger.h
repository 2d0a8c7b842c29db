/*
 * api/change_trigger.h
 *		The triggers of a rule on changes of a table.
 */
#ifndef NOETL_API_CHANGE_TRIGGER_H
#define NOETL_API_CHANGE_TRIGGER_H

#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* What changes a rule is about. */
typedef struct ChangeEvents
{
	int16		types;			/* TRIGGER_TYPE_INSERT … */
	List	   *columns;		/* char *: of UPDATE OF; NIL: any */
} ChangeEvents;

/* Reads "INSERT OR UPDATE OF a, b OR DELETE"; raises for any other text. */
extern void change_events_read(const char *text, ChangeEvents *events);

/*
 * Creates the triggers of a rule on a table, which is locked and which the caller
 * has checked the rights for.
 */
extern void change_triggers_create(Relation table, const char *rule, const ChangeEvents *events);

/* Returns the oids of the triggers that a table has for a rule. */
extern List *change_triggers_find(Oid table, const char *rule);

/* Drops the triggers that a table has for a rule. */
extern void change_triggers_drop(Oid table, const char *rule);

#endif							/* NOETL_API_CHANGE_TRIGGER_H */
