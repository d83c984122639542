"""Runs Keras's optimizers and writes what they do as cases that Infinorm's conformance tests read.

    KERAS_BACKEND=tensorflow python make_cases.py FOLDER [--optimizers Adamax Adam] [--seed 1]
    INFINORM_GOLDEN=FOLDER dotnet test --project tests/Infinorm.Tests

README.md beside this file says what the cases are, and how they differ from those of tests/Golden.
"""

import argparse
import base64
import json
import os
import pathlib
import warnings

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras  # noqa: E402 (the backend is chosen before)
import numpy as np  # noqa: E402

# The model: a matrix, a vector, a single number. Gradients may miss in a step, and then the vector has none.
VARIABLES = [("dense", "kernel", (3, 2)), ("dense", "bias", (2,)), (None, "scale", ())]
STEPS = 6
STEP_WITHOUT_BIAS = 3


def settings():
    """The settings, one after the other and some together. A learning rate of 0.05 shows every stage in the first digits."""
    yield "defaults", {}
    yield "rate", {"learning_rate": 0.05}
    yield "decay", {"learning_rate": 0.05, "weight_decay": 0.1}
    yield "clipvalue", {"learning_rate": 0.05, "clipvalue": 0.3}
    yield "clipnorm", {"learning_rate": 0.05, "clipnorm": 0.4}
    yield "global_clipnorm", {"learning_rate": 0.05, "global_clipnorm": 0.5}
    yield "ema", {"learning_rate": 0.05, "use_ema": True, "ema_momentum": 0.5}
    yield "ema+overwrite", {"learning_rate": 0.05, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2}
    yield "scale", {"learning_rate": 0.05, "loss_scale_factor": 8.0}
    yield "accumulation", {"learning_rate": 0.05, "gradient_accumulation_steps": 2}
    yield "schedule", {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)}
    yield "schedule+decay+ema+accumulation", {
        "learning_rate": keras.optimizers.schedules.CosineDecay(0.05, 4),
        "weight_decay": 0.1,
        "use_ema": True,
        "ema_momentum": 0.5,
        "gradient_accumulation_steps": 2,
    }


def raw(values):
    """The little-endian bytes in C order, as base64."""
    values = np.asarray(values)
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes(order="C")).decode()


def array(values):
    return {"dtype": str(values.dtype), "shape": list(values.shape), "b64": raw(values)}


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def number(value):
    """A learning rate with its type: the shortest decimal that reads back as the exact value."""
    if isinstance(value, float):
        return {"dtype": "python_float", "value": value}
    value = numpy(value)
    wide = float(value)
    if not np.isfinite(wide):
        wide = "NaN" if np.isnan(wide) else "Infinity" if wide > 0 else "-Infinity"
    return {"dtype": str(value.dtype), "value": wide}


def layout(optimizer):
    return [
        {
            "name": variable.name,
            "path": variable.path,
            "dtype": keras.backend.standardize_dtype(variable.dtype),
            "shape": list(variable.shape),
        }
        for variable in optimizer.variables
    ]


def expect(optimizer, variables):
    """The whole state."""
    return {
        "variables": [raw(numpy(variable)) for variable in variables],
        "optimizer_variables": [raw(numpy(variable)) for variable in optimizer.variables],
        "iterations": int(numpy(optimizer.iterations)),
        "raw_iterations": int(numpy(optimizer._iterations)),  # without the division by the accumulation steps
        "learning_rate": number(optimizer.learning_rate),
    }


def make_variables(dtype, random):
    variables = []
    for scope, name, shape in VARIABLES:
        first = random.standard_normal(shape).astype(dtype)
        if scope is None:
            variables.append(keras.Variable(first, dtype=dtype, name=name))
        else:
            with keras.name_scope(scope):
                variables.append(keras.Variable(first, dtype=dtype, name=name))
    return variables


def plain(kwargs):
    """The arguments as JSON has them."""
    return {
        key: keras.saving.serialize_keras_object(value) if isinstance(value, keras.optimizers.schedules.LearningRateSchedule) else value
        for key, value in kwargs.items()
    }


def make_case(class_name, setting, kwargs, dtype, seed):
    keras.backend.clear_session()  # names are counted from here
    keras.config.set_floatx(dtype)
    random = np.random.default_rng(seed)
    variables = make_variables(dtype, random)
    optimizer = getattr(keras.optimizers, class_name)(**kwargs)
    case = {
        "id": f"{class_name.lower()}/{setting}/{dtype}",
        "floatx": dtype,
        "optimizer": {
            "serialized": keras.optimizers.serialize(optimizer),
            "kwargs": plain(kwargs),
            "loss_scale_kwargs": None,
            "class_name": class_name,
        },
        "variables": [
            {
                "name": variable.name,
                "path": variable.path,
                "dtype": dtype,
                "shape": list(variable.shape),
                "b64": raw(numpy(variable)),
                "constraint": None,
                "overwrite_with_gradient": False,
            }
            for variable in variables
        ],
        "steps": [],
    }
    known = None
    for step in range(STEPS):
        gradients = [
            None if step == STEP_WITHOUT_BIAS and i == 1 else (random.standard_normal(shape) * 0.5**step).astype(dtype)
            for i, (_, _, shape) in enumerate(VARIABLES)
        ]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            optimizer.apply(
                [None if gradient is None else keras.ops.convert_to_tensor(gradient) for gradient in gradients],
                variables if step == 0 else None,
            )
        taken = {
            "op": "apply",
            "grads": [None if gradient is None else array(gradient) for gradient in gradients],
            "vars": list(range(len(variables))) if step == 0 else None,
        }
        told = [str(warning.message) for warning in caught if "Gradients do not exist" in str(warning.message)]
        if told:
            taken["warnings"] = told
        taken["expect"] = expect(optimizer, variables)
        if layout(optimizer) != known:
            known = taken["layout"] = layout(optimizer)
        case["steps"].append(taken)
    if kwargs.get("use_ema"):
        optimizer.finalize_variable_values(variables)
        case["steps"].append(
            {"op": "finalize_variable_values", "vars": list(range(len(variables))), "expect": expect(optimizer, variables)}
        )
    return case


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="where the files go; made if it is missing")
    parser.add_argument(
        "--optimizers",
        nargs="+",
        default=["Adamax", "SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Nadam", "Ftrl", "Lion"],
        help="classes of keras.optimizers; by default all whose results have a canonical rounding",
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)

    files = []
    for class_name in arguments.optimizers:
        cases = [
            make_case(class_name, setting, kwargs, dtype, arguments.seed)
            for dtype in ("float32", "float64")
            for setting, kwargs in settings()
        ]
        name = f"{class_name.lower()}.json"
        content = {"format": 1, "mode": keras.backend.backend(), "cases": cases}
        (arguments.folder / name).write_text(json.dumps(content, separators=(",", ":")))
        files.append({"file": name, "kind": "cases", "count": len(cases)})
        print(f"{name}: {len(cases)} cases")

    manifest = {
        "format": 1,
        "profile": f"keras-{keras.backend.backend()}",
        "keras_version": keras.__version__,
        "generator": "make_cases.py",
        "files": files,
    }
    (arguments.folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


if __name__ == "__main__":
    main()
