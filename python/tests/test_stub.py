"""The stub says what the module has: names, arguments and defaults."""

import ast
import inspect
from pathlib import Path

import pytest

from ferkd import _native

STUB = ast.parse((Path(_native.__file__).parent / "_native.pyi").read_text())
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef) and hasattr(_native, node.name)}
FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}
# Their names are the stub's: the module takes any settings, and names the nearest where one is unknown.
SETTINGS = {"Batches", "StoreWriter", "draw_mixing"}


def arguments(node: ast.FunctionDef) -> list[str]:
    of = node.args
    return [argument.arg for argument in (*of.posonlyargs, *of.args, *of.kwonlyargs) if argument.arg != "self"]


def of_module(found) -> list[str]:
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = inspect.signature(found).parameters.values()
    return [one.name.lstrip("_") for one in parameters if one.kind not in kinds and one.name != "self"]


def test_every_class_and_function_stands_in_the_stub():
    public = {name for name in vars(_native) if not name.startswith("_")}
    assert public == set(CLASSES) | set(FUNCTIONS)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_classes_methods_have_the_stubs_arguments(name):
    stub = [node for node in CLASSES[name].body if isinstance(node, ast.FunctionDef)]
    found = getattr(_native, name)
    public = {name for name in vars(found) if not name.startswith("_")}
    assert public == {node.name for node in stub if not node.name.startswith("_")}
    for node in stub:
        is_property = any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list)
        if is_property or node.name.startswith("_"):
            continue
        assert of_module(getattr(found, node.name)) == arguments(node), f"{name}.{node.name}"
    init = next(node for node in stub if node.name == "__init__")
    taken = of_module(found)
    assert arguments(init)[: len(taken)] == taken and (name in SETTINGS or len(arguments(init)) == len(taken))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_functions_arguments_are_the_stubs(name):
    taken = of_module(getattr(_native, name))
    assert arguments(FUNCTIONS[name])[: len(taken)] == taken
    assert name in SETTINGS or len(arguments(FUNCTIONS[name])) == len(taken)
