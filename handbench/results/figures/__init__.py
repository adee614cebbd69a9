"""Evidence goes in; figures as PDF, SVG and PNG come out, one module for a kind or a few related kinds."""
