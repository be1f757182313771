"""Style sheets and scripts of the pages that the service shows."""
