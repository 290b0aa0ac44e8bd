"""After I compress a model, does it still respond to the same parts of its input, and what is the evidence?

Train, compress, explain, evaluate and report, over Captum, LIME and SHAP. Public names load on first use;
``import workbench as wb`` itself loads nothing heavy. The list of names is ``__init__.pyi``.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
