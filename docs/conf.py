"""Settings of the documentation: Markdown by MyST, nothing imported from handbench, nothing fetched from elsewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

project = "handbench"
author = "The handbench contributors"
project_copyright = author
release = re.search(r'__version__ = "(.+)"', (ROOT / "handbench" / "__init__.py").read_text())[1]

extensions = ["myst_parser"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a component's settings stand two levels below its kind's page
exclude_patterns = ["_build"]
smartquotes = False  # --option is no dash
highlight_language = "text"

html_theme = "furo"
html_title = f"handbench {release}"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["wide.css"]  # console output is up to 130 columns
