
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _UNIT_H_INCLUDED_
#define _UNIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <setjmp.h>
#include <cmocka.h>


/* an ngx_str_t of a C string, for one call */
#define unit_str(s)                                                           \
    (&(ngx_str_t) { strlen(s), (u_char *) (s) })

#define assert_str(str, s)                                                    \
    do {                                                                      \
        assert_int_equal((str).len, strlen(s));                               \
        assert_memory_equal((str).data, s, strlen(s));                        \
    } while (0)


#endif /* _UNIT_H_INCLUDED_ */
