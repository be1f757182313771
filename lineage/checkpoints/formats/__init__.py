"""The file formats, one module or folder each: from a file to its tensors as they are stored."""
