"""Where the gradients of parameters are added up."""

from typing import Any

from thinc.api import Model


def gradient_of(model: Model[Any, Any], param: str) -> Any:
    """RETURNS (FloatsXd): The gradient of a parameter, to be added to in place: `inc_grad` would
    need an array as large as the table for a few rows."""
    if not model.has_grad(param):
        model.set_grad(param, model.ops.xp.zeros_like(model.get_param(param)))
    return model.get_grad(param)


def renew_gradients(model: Model[Any, Any]) -> None:
    """Begin anew with the gradients of a model whose weights were replaced, maybe by ones of other
    shapes, or by none: then an optimizer must not find a gradient of them."""
    for node in model.walk():
        for param in node.param_names:
            if not node.has_grad(param):
                continue
            if node.has_param(param):
                node.set_grad(param, node.ops.xp.zeros_like(node.get_param(param)))
            else:  # Thinc has no way to take one away
                del node._params._grads[node.id, param]
