#!/bin/sh
# Reads what apt's sources have, those that APT_CONFIG names if it is set; what is wrong with any of them, such as its signature, is an error in apt's words.
set -eu
LC_ALL=C.UTF-8 apt-get -qq -o Acquire::Retries=3 --error-on=any update 2>&1
