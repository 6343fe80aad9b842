"""Models with gradients, for the tests of what trains them."""

import numpy
from thinc.api import Linear, Model


def make_model(sizes=((4, 3), (2, 4))):
    """RETURNS: A model with two layers, "first" and "second", whose weights were drawn."""
    random = numpy.random.RandomState(0)
    nodes = []
    for name, (nO, nI) in zip(("first", "second"), sizes):
        node = Linear(nO, nI)
        node.name = name
        node.set_param("W", random.normal(size=(nO, nI)).astype("f"))
        node.set_param("b", random.normal(size=nO).astype("f"))
        nodes.append(node)
    return Model("both", lambda model, X, is_train: (X, lambda dY: dY), layers=nodes)


def arrays(model, of="get_param"):
    """RETURNS: The parameters of a model by their names, or of="get_grad" their gradients."""
    return {
        f"{node.name}/{name}": getattr(node, of)(name)
        for node in model.layers
        for name in node.param_names
    }


def copies(model):
    return {path: array.copy() for path, array in arrays(model).items()}


def set_gradients(model, seed=0, scale=1.0):
    """Give all parameters a gradient. RETURNS: Copies of them."""
    random = numpy.random.RandomState(seed)
    for node in model.layers:
        for name in node.param_names:
            shape = node.get_param(name).shape
            node.set_grad(name, (scale * random.normal(size=shape)).astype("f"))
    return {path: array.copy() for path, array in arrays(model, "get_grad").items()}


def poison(model, value=numpy.nan, layer=0, name="W"):
    """Set one number of a gradient to what is no number."""
    model.layers[layer].get_grad(name).flat[-1] = value
