"""Reports of a projection; nothing here computes a number.

wording            how a figure reads: value, bounds, flags
blocks             what a report is made of, before it is text, Markdown or HTML
content            the document of a projection: what is said, in which order
component_content  the part about one component
explain            the arithmetic, line by line
text, markdown     the document in words
html, page         the document as one self-contained page, within its size
drawings           from the model's plots to charts
charts             charts as inline SVG; axes, columns: where a value lies, which values are drawn
data               JSON and CSV (docs/formats.md, "Estimate report")
manifests          what to apply; yaml_text: YAML with the reason of each number
drift              where existing manifests differ
"""
