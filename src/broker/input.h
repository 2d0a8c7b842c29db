/*
 * broker/input.h
 *		The input of an action, put together from its layers.
 */
#ifndef NOETL_BROKER_INPUT_H
#define NOETL_BROKER_INPUT_H

#include "broker/scope.h"

/*
 * Renders the layers and lays them over each other, the last on top, and "above"
 * (or NULL) over all, into an object.  values (or NULL) gets each layer as
 * rendered.  False and *error when a template raises.
 */
extern bool input_render(const InputLayers *layers, Scope *scope, const JsonbValue *above,
						 JsonbValue *values, JsonbValue *result, SourceError *error);

/* Lays the transition-level inputs of arrivals over each other, in document order. */
extern void input_of_arrivals(const List *arrivals, JsonbValue *result);

/* Lays "above" over "below", member by member. */
extern void input_overlay(const JsonbValue *below, const JsonbValue *above,
						  JsonbValue *result);

#endif							/* NOETL_BROKER_INPUT_H */
