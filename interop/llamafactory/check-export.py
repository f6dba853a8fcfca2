"""Reads exports with LLaMA-Factory's own parser, converters and tool templates: see README.md.

Only the modules that decide what becomes of a row are loaded; what they import for other ends (torch, models) is left out.
Usage: check-export.py SOURCES DIR   (SOURCES: its src/llamafactory, DIR: folders with dataset_info.json)
Exit code 1 when one row is dropped, or one tool cannot be written.
"""
import json
import os
import sys
import types


def package(name, path):
    module = types.ModuleType(name)
    module.__path__ = [path] if path else []
    sys.modules[name] = module
    return module


sources, folder = sys.argv[1:3]
package("llamafactory", sources)
package("llamafactory.extras", os.path.join(sources, "extras"))
package("llamafactory.data", os.path.join(sources, "data"))
constants = package("llamafactory.extras.constants", "")
constants.DATA_CONFIG, constants.RUNNING_LOG = "dataset_info.json", "running_log.txt"
misc = package("llamafactory.extras.misc", "")
misc.use_modelscope = misc.use_openmind = lambda: False

from datasets import load_dataset  # noqa: E402
from llamafactory.data.converter import get_dataset_converter  # noqa: E402
from llamafactory.data.parser import get_dataset_list  # noqa: E402
from llamafactory.data.tool_utils import TOOLS, FunctionCall  # noqa: E402

arguments = types.SimpleNamespace(media_dir=folder)
faults = 0


def fault(*words):
    global faults
    faults += 1
    print("FAULT", *words)


def check_tools(row):
    """What the formatters do: JSON of tools and calls, written by every template that can be."""
    calls = [m["content"] for m in row["_prompt"] + row["_response"] if m["role"] == "function"]
    for content in calls:
        made = json.loads(content)
        made = made if isinstance(made, list) else [made]
        named = [FunctionCall(one["name"], json.dumps(one["arguments"], ensure_ascii=False)) for one in made]
        for template in TOOLS.values():
            # GLM-4 has no form for several calls at once, and says so.
            if len(named) == 1 or template is not TOOLS["glm4"]:
                template.function_formatter(named)
    if row["_tools"]:
        for template in TOOLS.values():
            template.tool_formatter(json.loads(row["_tools"]))
    return len(calls)


for name in sorted(one for one in os.listdir(folder) if not one.startswith(".")):
    place = os.path.join(folder, name)
    manifest = json.load(open(os.path.join(place, "manifest.json")))
    rows_of = {one["name"]: one["rows"] for one in manifest["files"]}
    entries = json.load(open(os.path.join(place, "dataset_info.json")))
    for entry in get_dataset_list(list(entries), place):
        data = load_dataset("json", data_files=[os.path.join(place, entry.dataset_name)], split=entry.split)
        convert = get_dataset_converter(entry.formatting, entry, arguments)
        kept = calls = tools = 0
        for number, example in enumerate(data):
            row = convert(example)
            if len(row["_prompt"]) % 2 != 1 or len(row["_response"]) < 2:
                fault(name, entry.dataset_name, number, "is dropped")
                continue
            if not all(isinstance(m["content"], str) for m in row["_prompt"] + row["_response"]):
                fault(name, entry.dataset_name, number, "holds no text")
                continue
            try:
                calls += check_tools(row)
                tools += bool(row["_tools"])
            except Exception as error:
                fault(name, entry.dataset_name, number, repr(error), row["_tools"][:300])
                continue
            kept += 1
        if kept != rows_of[entry.dataset_name]:
            fault(name, entry.dataset_name, f"{kept} of {rows_of[entry.dataset_name]} rows")
        print(f"{name} {entry.dataset_name}: {kept} rows kept, {calls} calls, {tools} with tools")
sys.exit(1 if faults else 0)
