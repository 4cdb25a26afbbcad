"""The library of products has every shipped format: an object file that multiplies all of them has none itself.

compiled_products.py OBJECT: of a file that was compiled to use sparsellm_cuda_compiled.
"""
import re
import subprocess
import sys

symbols = subprocess.run(["nm", "-C", sys.argv[1]], capture_output=True, text=True, check=True).stdout
product = re.compile(r"\b(product_of|(nm|rows|bitmap|semi_structured|tiled)_product)\b.*section_list<.*column_scaled,")
found = [(line[17], line[19:]) for line in symbols.splitlines() if product.search(line)]  # address, kind, name
if not [name for kind, name in found if kind == "U"]:
    sys.exit("compiled_products: this file uses no product")
own = [name for kind, name in found if kind in "WVtT"]
if own:
    sys.exit("compiled_products: not in cuda/products/*_products.inl:\n" + "\n".join(own))
print(f"{len(found)} products, all of the library")
