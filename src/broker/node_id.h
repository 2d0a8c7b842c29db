/*
 * broker/node_id.h
 *		Node ids: "<execution>:<step>[:<visit>]", followed by "[<index>]" for an
 *		item of an iterator.
 */
#ifndef NOETL_BROKER_NODE_ID_H
#define NOETL_BROKER_NODE_ID_H

#include "common/common.h"

/* Returns the node id of a visit of a step, or of an item of it; item -1: none. */
extern char *node_id_make(int64 execution_id, const char *step, int visit, int item);

/* Returns the visit that a node id names; 0: the id is not of the broker's form. */
extern int	node_id_visit(const char *node_id, int64 execution_id, const char *step);

/* Returns the item that a node id names; -1: none. */
extern int	node_id_item(const char *node_id, int64 execution_id, const char *step);

/* Finds both. */
extern void node_id_parse(const char *node_id, int64 execution_id, const char *step, int *visit,
						  int *item);

#endif							/* NOETL_BROKER_NODE_ID_H */
