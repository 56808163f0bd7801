
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_INDEX_DOC_H_INCLUDED_
#define _NGX_LLMOPS_INDEX_DOC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>


/*
 * What is known of a document of an index, but for its text: a JSON object in
 * the store, of kind NGX_LLMOPS_DOCS_INDEXED, with the id "INDEX/ID".  Pure.
 *
 *   id title url metadata   as they were given
 *   sha bytes text          of the text: SHA-256, size, and its id in the store
 *   chunking                "SIZE/OVERLAP" that it is, or is to be, cut by
 *   state                   pending, ready, failed, deleting
 *   sets                    {SET: {CHUNK: 1, ...}}: all elements that may lie
 *                           in sets of vectors
 *   claim                   {by, pid, until}: who is at work on it
 *   error after tries       of the last try, in vain
 *   created updated indexed seconds since the epoch
 *
 * The invariant that leaves no orphans: a chunk is in "sets" before it is put
 * into a set of vectors, and until it has been taken out of it.
 */


#define NGX_LLMOPS_INDEX_NAME      64      /* bytes of an index's name */
#define NGX_LLMOPS_INDEX_DOC       512     /* of a document's id */
#define NGX_LLMOPS_INDEX_TITLE     512
#define NGX_LLMOPS_INDEX_URL       2048
#define NGX_LLMOPS_INDEX_META      16      /* members of metadata, */
#define NGX_LLMOPS_INDEX_META_KEY  32      /* bytes of a name */
#define NGX_LLMOPS_INDEX_META_TEXT 256     /* and of a value */
#define NGX_LLMOPS_INDEX_TEXT      (512 * 1024)
#define NGX_LLMOPS_INDEX_CHUNKS    1024    /* of a document */
#define NGX_LLMOPS_INDEX_CHUNK     16      /* characters of a chunk's name */


/*
 * Whether a document, as it was given, is one: an object with "id" and "text",
 * maybe "title", "url", "metadata".  NULL, or what is wrong with it: a static
 * text that goes on after a name for the document.
 */
const char *ngx_llmops_doc_wrong(json_t *given);

/* The document's head for what was given, a new reference: old is the head
   that it takes the place of, or NULL.  sha is in hex.  NULL: out of memory. */
json_t *ngx_llmops_doc_head(json_t *given, json_t *old, const char *sha,
    const char *text, const char *chunking, time_t now);

/* Whether head says the same, and is or will be in that set. */
ngx_uint_t ngx_llmops_doc_same(json_t *head, json_t *given, const char *sha,
    const char *chunking, const char *set);

/* Reads a head; NULL: it is none. */
json_t *ngx_llmops_doc_load(ngx_str_t *value);

/* The text of a member, "" if it is not there. */
const char *ngx_llmops_doc_string(json_t *head, const char *name);

/* The name of a chunk of a text, terminated: the same text in the same place
   of the same document has the same one. */
void ngx_llmops_doc_chunk(const u_char digest[32],
    u_char name[NGX_LLMOPS_INDEX_CHUNK + 1]);

/* Adds the names of chunks, an object's, to "sets" of a head.  NGX_OK or
   NGX_ERROR. */
ngx_int_t ngx_llmops_doc_note(json_t *head, const char *set, json_t *chunks);

/* The first set and chunk that is noted and does not stay (as the names of the
   object stay do, in the set keep): NGX_OK with both, good until head changes;
   NGX_DONE: there is none. */
ngx_int_t ngx_llmops_doc_stale(json_t *head, const char *keep, json_t *stay,
    const char **set, const char **chunk);

/* Takes it out. */
void ngx_llmops_doc_forget(json_t *head, const char *set, const char *chunk);

/*
 * The attributes of a chunk's vector, for which the text is the n-th: "d", "n",
 * "t", "title", "url", and "m_NAME" of each member of metadata.  A new
 * reference, or NULL.
 */
json_t *ngx_llmops_doc_attributes(json_t *head, ngx_str_t *text,
    ngx_uint_t n);

/* What an administrator sees of a head; a new reference, or NULL. */
json_t *ngx_llmops_doc_shown(json_t *head);


#endif /* _NGX_LLMOPS_INDEX_DOC_H_INCLUDED_ */
