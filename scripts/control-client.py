#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Asks a running yagura something, and prints the answer: control-client.py [--socket PATH] METHOD [NAME=VALUE...]

A VALUE is JSON, or else text; NAME=@FILE takes the text of a file. After stats.subscribe it prints updates until it is
ended. It is here to be read, too: all that a client of the control socket has to do (docs/control-protocol.md).
"""
import argparse
import json
import socket
import sys


def value_of(text):
    if text.startswith('@'):
        with open(text[1:], encoding='utf-8') as file:
            return file.read()
    try:
        return json.loads(text)
    except ValueError:
        return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--socket', default='/run/yagura/control.sock')
    parser.add_argument('method')
    parser.add_argument('parameters', nargs='*', metavar='NAME=VALUE')
    arguments = parser.parse_args()
    params = {name: value_of(text) for name, _, text in (item.partition('=') for item in arguments.parameters)}

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(arguments.socket)
        request = {'jsonrpc': '2.0', 'id': 1, 'method': arguments.method, 'params': params}
        connection.sendall(json.dumps(request).encode() + b'\n')
        for line in connection.makefile(encoding='utf-8'):
            message = json.loads(line)
            print(json.dumps(message.get('result', message), indent=2), flush=True)
            if 'error' in message:
                return 1
            if arguments.method != 'stats.subscribe':
                return 0
    return 0


if __name__ == '__main__':
    sys.exit(main())
