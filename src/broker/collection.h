/*
 * broker/collection.h
 *		Which items an iterator has, and the names inside one of them.
 */
#ifndef NOETL_BROKER_COLLECTION_H
#define NOETL_BROKER_COLLECTION_H

#include "playbook/playbook.h"

/* What is asked of a collection; applied in this order. */
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
 * The items.  "outer" knows the names that are not the item's.  False and
 * *error when the collection cannot be gone through, or a template raises.
 */
extern bool iterator_items(const IteratorQuery *query,
						   const TemplateScope *outer,
						   IteratorItems *items, SourceError *error);

/*
 * A number that a playbook gives for limit, chunk or concurrency ("what");
 * null gives "otherwise".  False and *error when it is no whole number of at
 * least "minimum".
 */
extern bool iterator_count(const JsonbValue *value, const char *what,
						   int minimum, int otherwise, int *count,
						   SourceError *error);

/*
 * The object of the names inside an item: <element>, _loop, index, batch (when
 * chunked), parent and <step>.  "step" and "parent" may be NULL.
 */
extern void iterator_item_names(const char *element, const char *step,
								int index, int count, const JsonbValue *item,
								bool chunked, const JsonbValue *parent,
								JsonbValue *names);

/* The same names as a scope over another; hand "template" to the engine. */
typedef struct ItemScope
{
	TemplateScope template;
	const TemplateScope *outer;
	const char *element;
	const char *step;			/* or NULL */
	int			index;
	int			count;
	const JsonbValue *item;
	bool		chunked;
	const JsonbValue *parent;	/* or NULL */
	bool		members;		/* members of the item are names, too */
} ItemScope;

/* Fills "template"; the caller has filled the rest. */
extern void iterator_item_scope(ItemScope *scope);

#endif							/* NOETL_BROKER_COLLECTION_H */
