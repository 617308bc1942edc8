"""Makes modules available under the names that they had in earlier versions, because pickles contain these names.

A pickle of an object contains the name of the module that defines its class, such as gatecell._layers for LSTM. Three
old names are not in the table: `gatecell._accelerated` has a file of its own, because it imports torch; the packages
`_accelerate` and `_state_dict` have the names of earlier modules, so their `__init__` imports the classes of those
modules.
"""

import sys

from ._base import spec
from ._modules import module, parameter
from ._networks import cells, layers, packed, plan
from ._state_dict import find_layers, from_gates
from ._streams import stream, stream_pool

_MODULES = {
    "_cells": cells,
    "_find": find_layers,
    "_from_gates": from_gates,
    "_layers": layers,
    "_module": module,
    "_packed": packed,
    "_parameter": parameter,
    "_plan": plan,
    "_spec": spec,
    "_stream": stream,
    "_stream_pool": stream_pool,
}
sys.modules.update({f"{__package__}.{name}": module for name, module in _MODULES.items()})
