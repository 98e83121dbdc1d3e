"""Images that show the same: hashes propose pairs, thumbnails decide; a module for each, and one for the search."""
