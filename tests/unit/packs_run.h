
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _PACKS_RUN_H_INCLUDED_
#define _PACKS_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <stdio.h>
#include "ngx_llmops_patterns.h"


/* Reads the patterns of packs, without nginx. */


#define pack_check(condition)                                                 \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "failed: %s\n", #condition);                      \
            abort();                                                          \
        }                                                                     \
    } while (0)


#define MAX_PATTERNS  128
#define MAX_NAMES     64


typedef struct {
    char                       name[64];
    ngx_uint_t                 hit;        /* positives found */
    ngx_uint_t                 missed;
    ngx_uint_t                 wrong;      /* other lines found */
} name_t;


typedef struct {
    ngx_llmops_pattern_t       patterns[MAX_PATTERNS];
    ngx_uint_t                 npatterns;
    name_t                     names[MAX_NAMES];
    ngx_uint_t                 nnames;
    ngx_llmops_patterns_t     *set;
} pack_t;


static inline ngx_uint_t
pack_name(pack_t *pack, const char *name)
{
    ngx_uint_t  i;

    for (i = 0; i < pack->nnames; i++) {
        if (strcmp(pack->names[i].name, name) == 0) {
            return i;
        }
    }

    pack_check(pack->nnames < MAX_NAMES);
    snprintf(pack->names[pack->nnames].name, 64, "%s", name);

    return pack->nnames++;
}


/* llm_pattern NAME "REGEX" [word] [nocase] [proof=NAME] ["scan=REGEX"]; in one
   line */

static inline void
pack_line(pack_t *pack, char *line)
{
    char                   name[64], *p, *end, *scan;
    ngx_str_t              proof;
    ngx_llmops_pattern_t  *pt;

    if (sscanf(line, "llm_pattern %63s", name) != 1) {
        return;
    }

    pt = &pack->patterns[pack->npatterns++];
    pack_check(pack->npatterns < MAX_PATTERNS);

    p = strchr(line, '"') + 1;
    end = strchr(p, '"');

    scan = strstr(end, "\"scan=");

    if (scan) {
        scan += sizeof("\"scan=") - 1;
        pt->scan.len = strcspn(scan, "\"");
        pt->scan.data = (u_char *) strndup(scan, pt->scan.len);
    }

    pt->regex.len = end - p;
    pt->regex.data = (u_char *) strndup(p, end - p);
    pt->rule = pack_name(pack, name);
    pt->action = NGX_LLMOPS_PATTERN_REDACT;
    ngx_str_set(&pt->replacement, "#");
    pt->word = (strstr(end, " word") != NULL);
    pt->nocase = (strstr(end, " nocase") != NULL);

    p = strstr(end, "proof=");

    if (p) {
        proof.data = (u_char *) p + 6;
        proof.len = strcspn(p + 6, " ;");
        pt->proof = ngx_llmops_proof_find(&proof);
        pack_check(pt->proof);
    }
}


static inline void
pack_read(pack_t *pack, const char *dir)
{
    char   path[256], line[2048];
    FILE  *f;

    snprintf(path, sizeof(path), "%s/pack.conf", dir);
    f = fopen(path, "r");
    pack_check(f);

    while (fgets(line, sizeof(line), f)) {
        pack_line(pack, line);
    }

    fclose(f);
}


static inline void
pack_compile(pack_t *pack)
{
    char        err[256];
    ngx_uint_t  bad;

    pack->set = ngx_llmops_patterns_compile(pack->patterns, pack->npatterns,
                                            &bad, err, sizeof(err));
    if (pack->set == NULL) {
        fprintf(stderr, "%s: %s\n", pack->patterns[bad].regex.data, err);
    }

    pack_check(pack->set);
}


static inline void
pack_release(pack_t *pack)
{
    ngx_uint_t  i;

    ngx_llmops_patterns_free(pack->set);

    for (i = 0; i < pack->npatterns; i++) {
        free(pack->patterns[i].regex.data);
        free(pack->patterns[i].scan.data);
    }
}


#endif /* _PACKS_RUN_H_INCLUDED_ */
