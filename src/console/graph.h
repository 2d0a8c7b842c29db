/*
 * graph.h
 *		The graphs of pages.
 */
#ifndef CONSOLE_GRAPH_H
#define CONSOLE_GRAPH_H

#include "text.h"

/*
 * Appends a graph that noetl.explain() or noetl.draw() has drawn; its steps stand where
 * Graphviz wants them, if it says so, else where they are.
 */
extern void graph_append(PQExpBuffer out, const char *svg);

#endif							/* CONSOLE_GRAPH_H */
