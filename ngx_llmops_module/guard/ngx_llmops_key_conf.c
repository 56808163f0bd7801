
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"
#include "ngx_llmops_arg.h"


/*
 * llm_keys FILE: a key in each line, in nginx's syntax.
 *
 *     sha256:HEX client=alice plan=gold models=gpt-*,o3 limit=requests=60/m;
 *
 * Lines become the same records as those of the store, checked by the same
 * table.  Somebody will put a key itself into this file: no error repeats what
 * stands where a digest should be.
 */


typedef struct {
    ngx_llmops_key_table_t    *table;
    ngx_pool_t                *pool;       /* of the configuration */
    ngx_llmops_auth_conf_t    *acf;
} ngx_llmops_keys_ctx_t;


typedef struct {
    ngx_str_t                  word;       /* with "=" */
    const char                *member;
    json_t                  *(*read)(ngx_str_t *value);
    unsigned                   more:1;     /* may come again */
} ngx_llmops_keys_word_t;


static char *ngx_llmops_keys_read(ngx_conf_t *cf, ngx_str_t *file,
    ngx_llmops_keys_ctx_t *ctx);
static char *ngx_llmops_keys_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_llmops_keys_include(ngx_conf_t *cf,
    ngx_llmops_keys_ctx_t *ctx);
static ngx_int_t ngx_llmops_keys_name(ngx_llmops_keys_ctx_t *ctx,
    ngx_str_t *to, ngx_str_t *name);
static char *ngx_llmops_keys_key(ngx_conf_t *cf, ngx_llmops_keys_ctx_t *ctx);
static char *ngx_llmops_keys_words(ngx_conf_t *cf, json_t *wanted);
static char *ngx_llmops_keys_word(ngx_str_t *word, json_t *wanted);
static char *ngx_llmops_keys_record(ngx_llmops_keys_ctx_t *ctx,
    json_t *wanted, json_t *record, const u_char *digest);
static char *ngx_llmops_keys_id(json_t *wanted, json_t *record);
static json_t *ngx_llmops_keys_text(ngx_str_t *value);
static json_t *ngx_llmops_keys_list(ngx_str_t *value);
static json_t *ngx_llmops_keys_json(ngx_str_t *value);
static json_t *ngx_llmops_keys_time(ngx_str_t *value);


static ngx_llmops_keys_word_t  ngx_llmops_keys_words_known[] = {
    { ngx_string("id="), "id", ngx_llmops_keys_text, 0 },
    { ngx_string("client="), "client", ngx_llmops_keys_text, 0 },
    { ngx_string("tenant="), "tenant", ngx_llmops_keys_text, 0 },
    { ngx_string("plan="), "plan", ngx_llmops_keys_text, 0 },
    { ngx_string("routes="), "routes", ngx_llmops_keys_list, 0 },
    { ngx_string("models="), "models", ngx_llmops_keys_list, 0 },
    { ngx_string("limit="), "limits", ngx_llmops_keys_list, 1 },
    { ngx_string("metadata="), "metadata", ngx_llmops_keys_json, 0 },
    { ngx_string("networks="), "networks", ngx_llmops_keys_list, 0 },
    { ngx_string("countries="), "countries", ngx_llmops_keys_list, 0 },
    { ngx_string("expires="), "expires", ngx_llmops_keys_time, 0 },
    { ngx_null_string, NULL, NULL, 0 }
};


char *
ngx_llmops_keys_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                    *rv;
    ngx_str_t               *value, file;
    ngx_file_info_t          fi;
    ngx_llmops_keys_ctx_t    ctx;
    ngx_llmops_auth_conf_t  *acf;

    acf = ngx_llmops_auth_conf(cf, conf);
    if (acf == NULL) {
        return NGX_CONF_ERROR;
    }

    if (acf->table) {
        return "is duplicate, \"include\" other files in its file";
    }

    value = cf->args->elts;
    file = value[1];

    if (ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ctx.acf = acf;
    ctx.pool = cf->pool;
    ctx.table = ngx_llmops_key_table_create(cf->pool);
    if (ctx.table == NULL) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_llmops_keys_read(cf, &file, &ctx);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_file_info(file.data, &fi) != NGX_FILE_ERROR
        && (fi.st_mode & S_IWOTH))
    {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the file of keys \"%V\" can be changed by others, "
                           "write \"chmod o-w %V\"", &file, &file);
    }

    acf->table = ctx.table;

    return NGX_CONF_OK;
}


/* words live in a pool that is emptied after each line */

static char *
ngx_llmops_keys_read(ngx_conf_t *cf, ngx_str_t *file,
    ngx_llmops_keys_ctx_t *ctx)
{
    char        *rv;
    ngx_conf_t   save;
    ngx_pool_t  *pool;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cf->log);
    if (pool == NULL) {
        return NGX_CONF_ERROR;
    }

    save = *cf;

    cf->pool = pool;
    cf->handler = ngx_llmops_keys_line;
    cf->handler_conf = (void *) ctx;

    rv = ngx_conf_parse(cf, file);

    *cf = save;

    ngx_destroy_pool(pool);

    return rv;
}


static char *
ngx_llmops_keys_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_llmops_keys_ctx_t *ctx = conf;

    char       *rv;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[0].data, "include") == 0) {
        return ngx_llmops_keys_include(cf, ctx);
    }

    rv = ngx_llmops_keys_key(cf, ctx);

    ngx_reset_pool(cf->pool);

    return rv;
}


/* as nginx's own, which would keep the names of files beside the words */

static char *
ngx_llmops_keys_include(ngx_conf_t *cf, ngx_llmops_keys_ctx_t *ctx)
{
    char        *rv;
    ngx_int_t    n;
    ngx_str_t   *value, file, name;
    ngx_glob_t   gl;

    value = cf->args->elts;

    if (ngx_llmops_keys_name(ctx, &file, &value[1]) != NGX_OK
        || ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (strpbrk((char *) file.data, "*?[") == NULL) {
        return ngx_conf_parse(cf, &file);
    }

    ngx_memzero(&gl, sizeof(ngx_glob_t));

    gl.pattern = file.data;
    gl.log = cf->log;
    gl.test = 1;

    if (ngx_open_glob(&gl) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_glob_n " \"%s\" failed", file.data);
        return NGX_CONF_ERROR;
    }

    rv = NGX_CONF_OK;

    for ( ;; ) {
        n = ngx_read_glob(&gl, &name);

        if (n != NGX_OK) {
            break;
        }

        rv = (ngx_llmops_keys_name(ctx, &file, &name) == NGX_OK)
             ? ngx_conf_parse(cf, &file) : NGX_CONF_ERROR;

        if (rv != NGX_CONF_OK) {
            break;
        }
    }

    ngx_close_glob(&gl);

    return rv;
}


static ngx_int_t
ngx_llmops_keys_name(ngx_llmops_keys_ctx_t *ctx, ngx_str_t *to,
    ngx_str_t *name)
{
    to->len = name->len;
    to->data = ngx_pnalloc(ctx->pool, name->len + 1);
    if (to->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(to->data, name->data, name->len + 1);

    return NGX_OK;
}


static char *
ngx_llmops_keys_key(ngx_conf_t *cf, ngx_llmops_keys_ctx_t *ctx)
{
    char       *rv;
    json_t     *wanted, *record;
    u_char      digest[NGX_LLMOPS_KEY_DIGEST];
    ngx_str_t  *value, hex;

    value = cf->args->elts;
    hex = value[0];

    if (ngx_strncmp(hex.data, "sha256:", 7) == 0) {
        hex.data += 7;
        hex.len -= 7;

    } else {
        hex.len = 0;
    }

    if (ngx_llmops_key_unhex(&hex, digest) != NGX_OK) {
        return "the line of a key must begin with \"sha256:\" and the 64 hex "
               "digits that \"printf %s KEY | sha256sum\" prints; the key "
               "itself has no place in it, write \"sha256:HEX client=NAME;\"";
    }

    wanted = json_object();
    record = json_object();

    rv = ngx_llmops_keys_words(cf, wanted);

    if (rv == NGX_CONF_OK) {
        rv = ngx_llmops_keys_record(ctx, wanted, record, digest);
    }

    if (rv == NGX_CONF_OK && json_object_get(record, "countries")
        && ctx->acf->countries.line == 0)
    {
        ctx->acf->countries.file = cf->conf_file->file.name;
        ctx->acf->countries.line = cf->conf_file->line;
    }

    json_decref(wanted);
    json_decref(record);

    return rv;
}


static char *
ngx_llmops_keys_words(ngx_conf_t *cf, json_t *wanted)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_llmops_keys_word(&value[i], wanted);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_keys_word(ngx_str_t *word, json_t *wanted)
{
    int                      rc;
    json_t                  *value, *old;
    ngx_str_t                text;
    ngx_llmops_keys_word_t  *w;

    static u_char  error[NGX_LLMOPS_KEY_ERROR];

    if (ngx_strcmp(word->data, "disabled") == 0) {
        return json_object_set_new(wanted, "disabled", json_true()) == 0
               ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    for (w = ngx_llmops_keys_words_known; w->member; w++) {
        if (ngx_strncmp(word->data, w->word.data, w->word.len) == 0) {
            break;
        }
    }

    if (w->member == NULL) {
        return "unknown parameter of a key, there are \"id=\", \"client=\", "
               "\"tenant=\", \"plan=\", \"routes=\", \"models=\", \"limit=\", "
               "\"metadata=\", \"networks=\", \"countries=\", \"expires=\" "
               "and \"disabled\"";
    }

    text.data = word->data + w->word.len;
    text.len = word->len - w->word.len;

    old = json_object_get(wanted, w->member);

    if (text.len == 0 || (old && !w->more)) {
        *ngx_snprintf(error, sizeof(error) - 1, "%s of \"%V\" in a key",
                      old ? "a second value" : "no value", &w->word)
            = '\0';
        return (char *) error;
    }

    value = w->read(&text);

    if (old && value) {
        rc = json_array_extend(old, value);
        json_decref(value);
        return rc == 0 ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    return json_object_set_new(wanted, w->member, value) == 0
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_llmops_keys_record(ngx_llmops_keys_ctx_t *ctx, json_t *wanted,
    json_t *record, const u_char *digest)
{
    char       *rv, *text;
    ngx_int_t   rc;

    static char  error[NGX_LLMOPS_KEY_ERROR];

    rv = ngx_llmops_keys_id(wanted, record);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_llmops_key_check(record, wanted, NGX_LLMOPS_KEY_WANTED, error)
        != NGX_OK)
    {
        return error;
    }

    text = json_dumps(record, NGX_LLMOPS_KEY_DUMP);
    if (text == NULL) {
        return NGX_CONF_ERROR;
    }

    rc = ngx_llmops_key_table_add(ctx->table, digest, text, ngx_strlen(text));

    free(text);

    if (rc == NGX_BUSY) {
        return "this key is there already, each key can have one line";
    }

    return (rc == NGX_OK) ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* two lines may have one id: the old and the new key of one client */

static char *
ngx_llmops_keys_id(json_t *wanted, json_t *record)
{
    json_t      *id;
    const char  *problem;

    id = json_object_get(wanted, "id");

    if (id == NULL) {
        return NGX_CONF_OK;
    }

    id = ngx_llmops_key_value_id(id, &problem);

    if (id == NULL) {
        return "the \"id=\" of a key must be 1 to 32 characters of a-z and "
               "0-9";
    }

    if (json_object_set_new(record, "id", id) != 0) {
        return NGX_CONF_ERROR;
    }

    (void) json_object_del(wanted, "id");

    return NGX_CONF_OK;
}


/* -- words into JSON; what is not valid becomes "", which is refused ------- */

static json_t *
ngx_llmops_keys_text(ngx_str_t *value)
{
    json_t  *text;

    text = json_stringn((char *) value->data, value->len);

    return text ? text : json_string("");
}


/* a,b,c */

static json_t *
ngx_llmops_keys_list(ngx_str_t *value)
{
    json_t     *list;
    ngx_str_t   rest, word;

    list = json_array();
    rest = *value;

    while (ngx_llmops_arg_next(&rest, &word)) {
        if (json_array_append_new(list, ngx_llmops_keys_text(&word)) != 0) {
            json_decref(list);
            return NULL;
        }
    }

    return list;
}


static json_t *
ngx_llmops_keys_json(ngx_str_t *value)
{
    json_t        *json;
    json_error_t   err;

    json = json_loadb((char *) value->data, value->len,
                      JSON_REJECT_DUPLICATES, &err);

    return json ? json : json_string("");
}


static json_t *
ngx_llmops_keys_time(ngx_str_t *value)
{
    time_t  seconds;

    seconds = ngx_atotm(value->data, value->len);

    return (seconds == (time_t) NGX_ERROR) ? ngx_llmops_keys_text(value)
                                           : json_integer(seconds);
}
