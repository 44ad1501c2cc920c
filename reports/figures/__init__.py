"""Every figure, drawn once: for the page as inline SVG, for people as PNG, SVG and PDF."""
