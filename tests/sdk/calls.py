"""Calls the vendor's SDK for Python, one call for each line of JSON on standard input, and says what it gave.

python calls.py DIRECTORY URL APPLICATION_TOKEN PRIVATE_KEY ENCRYPTION_KEY

An exception ends it: what the SDK tells its users of a refusal is a result like any other.
"""

import importlib
import json
import sys

directory, url, *credentials = sys.argv[1:]
sys.path.insert(0, directory)
ziggeo = importlib.import_module("Ziggeo").Ziggeo(*credentials)
ziggeo.connect = ziggeo.cdn_connect = importlib.import_module("ZiggeoConnect").ZiggeoConnect(ziggeo, url)

calls = {
    "create": ziggeo.authtokens().create,
    "get": ziggeo.authtokens().get,
    "update": ziggeo.authtokens().update,
    "delete": ziggeo.authtokens().delete,
    "generate": ziggeo.auth().generate,
    "video": ziggeo.videos().get,
}
for line in sys.stdin:
    name, *arguments = json.loads(line)
    print(json.dumps({"result": calls[name](*arguments)}), flush=True)
