"""The panel of the Slicer module; Qt and Slicer are needed only where a file imports them."""
