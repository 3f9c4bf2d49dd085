"""Examples of all JSON responses in the OpenAPI document, composed of the examples of their fields."""

from typing import Any

_BY_FORMAT = {"date": "2024-03-28", "date-time": "2024-03-28T17:30:00Z"}
_BY_TYPE: dict[str, Any] = {"string": "text", "number": 0.0, "integer": 1, "boolean": False, "null": None}


def add_answer_examples(document: dict[str, Any]) -> None:
    """Add an example to every successful JSON response without one."""
    models = document.get("components", {}).get("schemas", {})
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get("application/json", {})
                if status.startswith("2") and content.get("schema"):
                    content.setdefault("example", example_of(content["schema"], models))


def example_of(schema: dict[str, Any], models: dict[str, Any]) -> Any:
    """A value that the schema allows: its own example, its default, or a value composed of its parts."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(models[schema["$ref"].rpartition("/")[2]], models)
    for word in ("const", "default"):
        if schema.get(word) is not None:
            return schema[word]
    if "enum" in schema:
        return schema["enum"][0]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        # A nullable field without an example of its own is shown as null.
        return None if {"type": "null"} in choices and "$ref" not in choices[0] else example_of(choices[0], models)
    match schema.get("type"):
        case "object":
            return {name: example_of(field, models) for name, field in schema.get("properties", {}).items()}
        case "array":
            return [example_of(schema["items"], models)]
        case "string" if "format" in schema:
            return _BY_FORMAT.get(schema["format"], _BY_TYPE["string"])
        case kind:
            return _BY_TYPE[kind] if kind else {}
