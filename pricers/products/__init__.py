"""One file a product, in the folder of its family. `pricers.registry` imports them all."""

# A product that is imported before the registry would run again as the registry's, half defined, when products import one another.
import pricers.registry  # noqa: F401
