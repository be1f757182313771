"""Encodings that several formats share: protocol buffers, MessagePack, FlatBuffers, pickles. Nothing is run."""
