"""Colours of lines and bars."""

# Okabe and Ito's, told apart by colour-blind readers too; the strongest comes first.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")
