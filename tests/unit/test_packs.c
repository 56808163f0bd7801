
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "packs_run.h"


/*
 * The packs of lua-free-rules/ over their corpora.  What is measured must be
 * what the README of the pack says, line by line: PACKS_WRITE=1 prints the
 * lines only.
 */


#if (NGX_LLMOPS_HYPERSCAN)

static uint64_t
pack_found(pack_t *pack, const char *text)
{
    uint64_t              found;
    ngx_llmops_out_t      out;
    ngx_llmops_window_t  *w;

    ngx_llmops_out_init(&out, 65536);

    w = ngx_llmops_window_create(pack->set);
    assert_int_equal(ngx_llmops_window_feed(w, (u_char *) text, strlen(text),
                                            1, &out),
                     NGX_OK);
    found = ngx_llmops_window_found(w);

    ngx_llmops_window_free(w);
    ngx_llmops_out_free(&out);

    return found;
}


/* name is that of a positive line, NULL of a negative one */

static void
pack_measure(pack_t *pack, const char *name, const char *text)
{
    uint64_t    found;
    ngx_uint_t  i;

    found = pack_found(pack, text);

    for (i = 0; i < pack->nnames; i++) {

        if (name && strcmp(pack->names[i].name, name) == 0) {

            if (found >> i & 1) {
                pack->names[i].hit++;

            } else {
                pack->names[i].missed++;
            }

        } else if (found >> i & 1) {
            pack->names[i].wrong++;
        }
    }
}


static void
pack_corpus(pack_t *pack, const char *dir, const char *file,
    ngx_uint_t positive)
{
    char   path[256], line[4096], *tab;
    FILE  *f;

    snprintf(path, sizeof(path), "%s/%s", dir, file);
    f = fopen(path, "r");
    assert_non_null(f);

    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';

        if (!positive) {
            pack_measure(pack, NULL, line);
            continue;
        }

        tab = strchr(line, '\t');
        assert_non_null(tab);
        *tab = '\0';
        pack_measure(pack, line, tab + 1);
    }

    fclose(f);
}


static void
test_pack(const char *dir)
{
    char        path[256], row[256], readme[65536];
    FILE       *f;
    pack_t      pack;
    size_t      n;
    name_t     *name;
    ngx_uint_t  i, said;

    memset(&pack, 0, sizeof(pack_t));

    pack_read(&pack, dir);
    pack_compile(&pack);
    pack_corpus(&pack, dir, "positive.txt", 1);
    pack_corpus(&pack, dir, "negative.txt", 0);

    snprintf(path, sizeof(path), "%s/README.md", dir);
    f = fopen(path, "r");
    n = f ? fread(readme, 1, sizeof(readme) - 1, f) : 0;
    readme[n] = '\0';

    if (f) {
        fclose(f);
    }

    said = 1;

    for (i = 0; i < pack.nnames; i++) {
        name = &pack.names[i];

        snprintf(row, sizeof(row), "| `%s` | %zu | %zu | %zu | %.3f | %.3f |",
                 name->name, name->hit, name->missed, name->wrong,
                 name->hit ? (double) name->hit / (name->hit + name->wrong)
                           : 0.0,
                 (double) name->hit / (name->hit + name->missed));
        print_message("%s\n", row);

        assert_true(name->hit > 0);

        if (strstr(readme, row) == NULL) {
            said = 0;
        }
    }

    pack_release(&pack);

    if (getenv("PACKS_WRITE") == NULL) {
        assert_true(said);
    }
}


static void
test_personal(void **state)
{
    test_pack("lua-free-rules/personal");
}


static void
test_secrets(void **state)
{
    test_pack("lua-free-rules/secrets");
}


static void
test_injection(void **state)
{
    test_pack("lua-free-rules/injection");
}


static void
test_refusal(void **state)
{
    test_pack("lua-free-rules/refusal");
}

#endif


int
main(void)
{
#if (NGX_LLMOPS_HYPERSCAN)
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_personal),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
#else
    return 0;
#endif
}
