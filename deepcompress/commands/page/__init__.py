"""`deepcompress page`: a page that holds a model and runs it, and needs nothing else.

What comes in is a `.dcz` file, what goes out one HTML file. `writing` fills in
`template.html`, which `js/build.py` makes of the decoder in `c/`, the package in `js/`
and the page in `js/page/`.
"""
