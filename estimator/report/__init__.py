"""Reports of a projection; nothing here computes a number.

wording            a figure in words: value, bounds, flags
blocks             the parts of a report before it is text, Markdown or HTML
summary            the answer on one screen, in at most forty lines
content            the document of a projection: what it says, in which order
component_content  the part about one component
explain            the arithmetic, line by line
text, markdown     the document in words
html, page         the document as one self-contained page, within its size
charts             the charts of the page
data               JSON and CSV (docs/formats.md, "Estimate report")
manifests          Kubernetes and Istio objects to apply
yaml_text          YAML with the reason of each number above it
order              which paths move first: text, runbook, files and JSON
manifest_files     the manifests of a directory, read with limits
coverage           the report of `estimate coverage`
drift              differences between existing manifests and the projection
switch_plan        the plan of a switch: on one screen, as a runbook, as JSON, and as files
"""
