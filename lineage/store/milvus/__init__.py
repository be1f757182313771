"""An index on a server: search codes and records in Milvus, sketches in a store of objects."""
