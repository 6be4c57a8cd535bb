"""Files that fit their digest, whatever they say: one is taken apart, altered and put together."""

import json

import numpy as np

from sketchlearn.files import container


def taken_apart(data):
    """Return a file's arrays and its metadata without the digest."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    metadata.pop("digest")
    arrays = {
        name: np.frombuffer(
            data[8 + length :][slice(*entry["data_offsets"])], container.TYPES[entry["dtype"]]
        ).reshape(entry["shape"])
        for name, entry in header.items()
    }
    return arrays, metadata


def altered(data, *, arrays=(), state=(), **metadata):
    """Return the file with other arrays, metadata and fields of its JSON ``state``, digest and all.

    None leaves an array or a text out.
    """
    own_arrays, own_metadata = taken_apart(data)
    own_arrays.update(arrays)
    own_metadata.update(metadata)
    if state:
        own_metadata["state"] = json.dumps({**json.loads(own_metadata["state"]), **dict(state)})
    return container.lay_out(
        {name: array for name, array in own_arrays.items() if array is not None},
        {name: text for name, text in own_metadata.items() if text is not None},
    )
