"""One file a product, in the folder of its family. `pricers.registry` imports them all."""
