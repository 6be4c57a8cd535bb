"""Parameters of estimators as JSON, objects among them: a kind by name, and its fields.

A file can name the `Sketcher`, decoders and laws of radii that are frozen dataclasses, and no other
class; those of your own count once their module is imported.
"""

from __future__ import annotations

import dataclasses
import math
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from sketchlearn._caller import warn_caller
from sketchlearn.decoders import Decoder
from sketchlearn.frequencies import FrequencyOperator, RadiusLaw
from sketchlearn.sketching import Sketcher

# What JSON has, and a constructor takes.
PLAIN = (bool, int, float, str, type(None))
# Numbers that JSON does not have.
NOT_FINITE = [{"text": text} for text in ("inf", "-inf", "nan")]


def to_json(value: Any, name: str, operator: FrequencyOperator) -> Any:
    """Return a parameter as a value of JSON's types.

    Parameters
    ----------
    value : object
        The parameter.
    name : str
        What messages call it.
    operator : FrequencyOperator
        That of the model's sketch, which a fitted sketcher must have.

    Raises
    ------
    ValueError
        If it is an object that files do not hold.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return {"kind": "float", "fields": {"text": str(value)}}
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, np.random.RandomState | np.random.Generator):
        warn_caller(
            f"{name} is a generator, which files do not hold: it is None once loaded. partial_fit "
            "goes on alike, but fit and sample draw anew each time; an integer is kept",
            UserWarning,
        )
        return None
    if isinstance(value, tuple | list):
        return [to_json(one, f"an entry of {name}", operator) for one in value]
    if type(value) is Sketcher:
        parameters = value.get_params(deep=False)
        is_fitted = hasattr(value, "operator_")
        if is_fitted and value.operator_.fingerprint != operator.fingerprint:
            raise ValueError(
                f"{name} was fitted again after the model was: its operator is no longer the one "
                f"of the model's sketch; set_params({name}=None) leaves it out of the file"
            )
        return {
            "kind": "Sketcher",
            "fields": _encode_fields(parameters, operator),
            "is_fitted": is_fitted,
        }
    kinds = find_kinds()
    if kinds.get(type(value).__name__) is type(value):
        own = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        return {"kind": type(value).__name__, "fields": _encode_fields(own, operator)}
    raise ValueError(
        f"{name} is a {type(value).__name__}, which no model file can hold: a file names none but "
        f"{', '.join(sorted({*kinds, 'Sketcher'}))}. Leave it out before you save, by set_params, "
        "and set it again after loading; or pickle the estimator"
    )


def from_json(value: Any, operator: FrequencyOperator) -> Any:
    """Return the parameter that `to_json` gave as this value; ValueError if it describes none."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, list):
        return tuple(from_json(one, operator) for one in value)
    if not (isinstance(value, dict) and isinstance(value.get("fields"), dict)):
        raise ValueError(f"no parameter is {str(value)[:80]}")
    kind, fields = value.get("kind"), value["fields"]
    own = {name: from_json(one, operator) for name, one in fields.items()}
    if kind == "float" and own in NOT_FINITE:
        return float(own["text"])
    if kind == "Sketcher" and {*value} == {"kind", "fields", "is_fitted"}:
        return _make_sketcher(own, value["is_fitted"], operator)
    found = find_kinds().get(str(kind))
    if found is None or {*value} != {"kind", "fields"}:
        raise ValueError(
            f"no parameter is of kind {str(kind)[:80]}; a class of your own must be imported first"
        )
    hints = get_type_hints(found)
    known = {f.name for f in dataclasses.fields(found) if f.init}
    for name, one in own.items():
        if name not in known or not _is_of_hint(one, hints[name]):
            raise ValueError(f"no {kind} has {name}={str(one)[:80]}")
    return found(**own)


def find_kinds() -> dict[str, Any]:
    """Return the kinds of objects that files name: decoders and laws, frozen dataclasses."""
    kinds: dict[str, Any] = {**RadiusLaw.kinds(), **Decoder.kinds()}
    # A class that inherits the fields of a dataclass may have others that nobody declared.
    return {
        name: kind
        for name, kind in kinds.items()
        if getattr(vars(kind).get("__dataclass_params__"), "frozen", False)
    }


def _encode_fields(values: dict[str, Any], operator: FrequencyOperator) -> dict[str, Any]:
    return {name: to_json(value, name, operator) for name, value in values.items()}


def _make_sketcher(
    parameters: dict[str, Any], is_fitted: bool, operator: FrequencyOperator
) -> Sketcher:
    """Make a sketcher of these parameters, fitted if it was: its operator is the sketch's."""
    unknown = {*parameters} - {*Sketcher().get_params(deep=False)}
    if unknown or not isinstance(is_fitted, bool):
        raise ValueError(f"no Sketcher has the parameters {', '.join(parameters)}")
    if not is_fitted:
        return Sketcher(**parameters)
    fitted: Sketcher = Sketcher.from_operator(operator).set_params(**parameters)
    return fitted


def _is_of_hint(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type, of those that fields of decoders have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if origin in (Union, types.UnionType):
        return any(_is_of_hint(value, one) for one in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_of_hint(one, arguments[0]) for one in value)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint if hint in PLAIN else isinstance(value, hint)
