#!/bin/sh
# Starts nginx in the foreground with docs/examples/quickstart.conf, and
# writes only below build/run.  "make run" calls it.
#
# Environment:
#   OPENAI_API_KEY      gpt-*, o1*, o3*, o4* and OpenAI's other names go to
#                       OpenAI (OPENAI_URL: to another address)
#   ANTHROPIC_API_KEY   claude-* goes to Anthropic (ANTHROPIC_URL)
#   VLLM_URL            all other names go to this server, for example
#                       http://127.0.0.1:8000/v1 (VLLM_API_KEY: its key)
#   PORT                8080
#   LLMOPS_NGINX        nginx
#   LLMOPS_MODULE       build/ngx_llmops_module.so

set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
run=${LLMOPS_RUN:-$here/build/run}
module=${LLMOPS_MODULE:-$here/build/ngx_llmops_module.so}
port=${PORT:-8080}

PATH=$PATH:/usr/sbin:/sbin
nginx=${LLMOPS_NGINX:-nginx}

rm -rf "$run/quickstart.d"
mkdir -p "$run/quickstart.d" "$run/modules" "$run/logs" "$run/temp"
ln -sf "$module" "$run/modules/ngx_llmops_module.so"
sed "s/127\.0\.0\.1:8080/127.0.0.1:$port/" \
    "$here/docs/examples/quickstart.conf" > "$run/quickstart.conf"

main=$run/quickstart.d/main.conf
http=$run/quickstart.d/http.conf
: > "$main"
: > "$http"

# Workers of a master that runs as root would be "nobody", who often may not
# enter the directory of the checkout.
if [ "$(id -u)" = 0 ]; then
    echo "user root;" >> "$main"
fi


# providers are found by DNS while nginx runs

resolver() {
    addresses=$(awk '$1 == "nameserver" && $2 !~ /%/ {
        print ($2 ~ /:/) ? "[" $2 "]" : $2 }' /etc/resolv.conf 2>/dev/null |
        tr '\n' ' ')
    echo "resolver ${addresses:-127.0.0.1 }valid=30s;" >> "$http"
}

# provider NAME DIALECT URL KEY-VARIABLE MODEL...
provider() {
    name=$1 dialect=$2 url=$3 key=$4
    shift 4
    {
        echo
        echo "upstream $name {"
        echo "    llm_endpoint $url;"
        echo "    llm_dialect $dialect;"
        if [ -n "$key" ]; then
            echo "    llm_api_key env:$key;"
        fi
        echo "}"
        echo
        echo "llm_route $name {"
        echo "    match $*;"
        echo "    target $name;"
        echo "}"
    } >> "$http"
    providers="$providers$name "
}

providers=

if [ -n "${OPENAI_API_KEY:-}${ANTHROPIC_API_KEY:-}${VLLM_URL:-}" ]; then
    resolver
fi

if [ -n "${OPENAI_API_KEY:-}" ]; then
    provider openai openai "${OPENAI_URL:-https://api.openai.com/v1}" \
        OPENAI_API_KEY 'gpt-*' 'chatgpt-*' 'o1*' 'o3*' 'o4*' 'codex-*' \
        'text-embedding-*' 'text-moderation-*' 'omni-moderation-*' \
        'dall-e-*' 'tts-*' 'whisper-*'
fi

if [ -n "${ANTHROPIC_API_KEY:-}" ]; then
    provider anthropic anthropic \
        "${ANTHROPIC_URL:-https://api.anthropic.com}" \
        ANTHROPIC_API_KEY 'claude-*'
fi

if [ -n "${VLLM_URL:-}" ]; then
    provider vllm openai "$VLLM_URL" "${VLLM_API_KEY:+VLLM_API_KEY}" '*'
fi

if [ -z "$providers" ]; then
    cp "$here/docs/examples/quickstart.d/http-any.conf" "$run/quickstart.d/"
fi


set -- "$nginx" -p "$run" -c "$run/quickstart.conf" -e stderr

"$@" -q -t

cat << END
providers:     mock $providers
configuration: $run/quickstart.conf
access log:    $run/logs/access.log

Try it:

  curl http://127.0.0.1:$port/v1/chat/completions -H 'content-type: application/json' -d '{"model":"mock","messages":[{"role":"user","content":"Hello"}]}'

END

# NGINX is how nginx hands over its sockets to a new binary
unset NGINX
exec "$@" -g "daemon off;"
