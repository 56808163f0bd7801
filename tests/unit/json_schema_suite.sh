#!/bin/sh
# Copyright (C) 2026 The ngx_llmops_module authors
#
#   json_schema_suite.sh DIR
#
# The official test suite of JSON Schema is not packaged for 2020-12; the
# sources of the Python package jsonschema carry it.

set -eu

tmp=$1.tmp
rm -rf "$tmp" "$1"
mkdir -p "$tmp/metaschemas"

cd "$tmp"
python3 -m pip download -q --no-deps --no-binary :all: jsonschema==4.23.0
python3 -m pip download -q --no-deps jsonschema-specifications==2025.9.1
tar xzf jsonschema-4.23.0.tar.gz
python3 -m zipfile -e jsonschema_specifications-*.whl .

cp -r jsonschema-4.23.0/json/tests jsonschema-4.23.0/json/remotes .

for draft in draft7 draft202012; do
    dir=jsonschema_specifications/schemas/$draft
    cp $dir/metaschema.json metaschemas/$draft.json

    for file in $dir/vocabularies/*; do
        test ! -f "$file" || cp "$file" metaschemas/"$(basename "$file")".json
    done
done

cd "$OLDPWD"
mv "$tmp" "$1"
