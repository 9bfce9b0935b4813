"""`deepcompress page`: a page that holds a model and runs it, and needs nothing else.

What comes in is a `.dcz` file, what goes out one HTML file. `writing` puts it together
from `page.html`, `page.css` and `page.js`, which are written by hand, and `library.js`,
which `js/build.py` makes from the package in `js/`.
"""
