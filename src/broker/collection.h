/*
 * broker/collection.h
 *		Which items an iterator has, and the names inside one of them.
 */
#ifndef NOETL_BROKER_COLLECTION_H
#define NOETL_BROKER_COLLECTION_H

#include "playbook/playbook.h"

/* How the items of a collection are chosen; applied in this order. */
typedef struct IteratorQuery
{
	const JsonbValue *collection;
	const char *element;		/* name of the item in templates */
	const char *step;			/* name of the iterator, or NULL */
	const Condition *where;		/* or NULL */
	const IteratorOrder *order_by;	/* or NULL */
	int			limit;			/* -1: none */
	int			chunk;			/* items become lists of so many; 0: not */
} IteratorQuery;

/* The values point into the collection, or into CurrentMemoryContext. */
typedef struct IteratorItems
{
	int			count;
	JsonbValue *values;
} IteratorItems;

/*
 * Finds the items of a collection.  "outer" knows the names that are not the
 * item's.  False and *error when the collection holds no list, or when a template
 * raises.
 */
extern bool iterator_items(const IteratorQuery *query,
						   const TemplateScope *outer,
						   IteratorItems *items, SourceError *error);

/*
 * Reads a number that a playbook gives for limit, chunk or concurrency ("what");
 * null means "otherwise".  False and *error when it is not a whole number of at
 * least "minimum".
 */
extern bool iterator_count(const JsonbValue *value, const char *what,
						   int minimum, int otherwise, int *count,
						   SourceError *error);

/* The names inside an item of an iterator, laid over those of another scope. */
typedef struct ItemScope
{
	TemplateScope template;		/* hand this to the template engine */
	const TemplateScope *outer;
	const char *element;
	const char *step;			/* or NULL */
	int			index;
	int			count;
	const JsonbValue *item;
	bool		chunked;
	const JsonbValue *parent;	/* the names of an outer iterator's item, or NULL */
	bool		members;		/* members of the item are names, too */
	MemoryContext memory;		/* of what the outer scope reads, and keeps */
} ItemScope;

/*
 * Builds the object of the names inside an item: <element>, _loop, index, batch
 * (when chunked), parent and <step>.  The scope needs no outer one for this.
 */
extern void iterator_item_names(const ItemScope *scope, JsonbValue *names);

/* Returns whether a name is one of those but <element>. */
extern bool iterator_has_name(const ItemScope *scope, const char *name, int length);

/* Fills in "template"; the caller has filled in the rest. */
extern void iterator_item_scope(ItemScope *scope);

#endif							/* NOETL_BROKER_COLLECTION_H */
