"""What the files of a checkpoint of torch.distributed.checkpoint are called."""

METADATA = ".metadata"
SUFFIX = ".distcp"
