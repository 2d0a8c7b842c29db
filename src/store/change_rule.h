/*
 * store/change_rule.h
 *		What follows a change of a user's table: noetl.change_rule, and what of it has
 *		failed: noetl.change_failure.
 *
 * A part of the door (store/store.h).  Rules are read directly, and written by
 * statements that run as the owner of the tables.
 */
#ifndef NOETL_STORE_CHANGE_RULE_H
#define NOETL_STORE_CHANGE_RULE_H

/* A row of noetl.change_rule. */
typedef struct ChangeRule
{
	const char *name;
	Oid			table;
	const char *path;			/* NULL: the rule sends a signal */
	const char *events;			/* as they were given */
	const char *condition;		/* or NULL */
	Jsonb	   *parameters;		/* or NULL */
	const char *key;			/* or NULL */
	const char *signal;			/* or NULL */
	Oid			made_by;
} ChangeRule;

/* Finds the rule with a name; returns false when there is none. */
extern bool store_find_rule(const char *name, ChangeRule *rule);
/* Returns all rules (ChangeRule *). */
extern List *store_rules(void);
/* Inserts a rule; raises when there is one with its name. */
extern void store_insert_rule(const ChangeRule *rule);
/* Deletes the rule with a name. */
extern void store_delete_rule(const char *name);

/* A change that a rule could do nothing for. */
typedef struct ChangeFailure
{
	const ChangeRule *rule;
	const char *sqlstate;
	const char *error;
	Jsonb	   *change;			/* {"event": …, "new": …, "old": …}; NULL: unknown */
} ChangeFailure;

/* Inserts a row into noetl.change_failure. */
extern void store_insert_change_failure(const ChangeFailure *failure);

#endif							/* NOETL_STORE_CHANGE_RULE_H */
