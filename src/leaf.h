/*
 * leaf.h
 *		What a leaf file may use: palloc, StringInfo, Assert, PG_FINALLY, the
 *		length of a multi-byte text, and nothing else.
 *
 * Leaf files (json, definition, graph, template, render) know no SPI, no shared
 * memory and no latch, so they also build outside the server: the unit tests and
 * fuzz targets compile them with JO_LEAF_STANDALONE against test/unit/shim.h.
 * Leaf functions never raise: what is wrong comes back as findings.
 */
#ifndef JO_LEAF_H
#define JO_LEAF_H

#ifdef JO_LEAF_STANDALONE
#include "shim.h"
#else
#include "postgres.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#endif

#endif
